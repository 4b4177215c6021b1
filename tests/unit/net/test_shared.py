"""What all WebSockets of a node share: one object, which costs a socket one reference."""

from tests.support.virtual_time import in_virtual_time
from tests.support.wires import Door
from websocket_handler.net.shared import Shared
from websocket_handler.net.websocket import WebSocket


@in_virtual_time
async def test_every_socket_of_a_node_has_the_same_one() -> None:
    door = Door()
    sockets = [door.enter().get_protocol() for _ in range(3)]
    shared = [socket._shared for socket in sockets if isinstance(socket, WebSocket)]
    assert len(shared) == 3
    assert all(one is door.core.sockets for one in shared)


@in_virtual_time
async def test_it_holds_the_parts_of_its_node_and_nothing_of_a_socket() -> None:
    core = Door().core
    shared = core.sockets
    assert (shared.server, shared.admission, shared.keepalive) == (core.server, core.admission, core.keepalive)
    assert (shared.counters, shared.log) == (core.ports.counters, core.ports.log)
    assert shared.message_bytes == core.node.limits.message_bytes
    assert not hasattr(shared, "__dict__"), "nobody can hang a field of their own on it"
    assert all(hasattr(shared, name) for name in Shared.__slots__)


@in_virtual_time
async def test_a_message_goes_straight_to_the_servers_method() -> None:
    core = Door().core
    assert core.sockets.handle_message == core.server.handle_client_message
    assert core.sockets.handle_message is core.sockets.handle_message, "it is not bound again for every message"
