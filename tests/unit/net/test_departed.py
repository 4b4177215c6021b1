"""Clients that hang up before the node comes to their handshake. Only the kernel knows who has left: real sockets."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from typing import Any, Self

import pytest
import pytest_asyncio

from tests.support.frames import CLOSE, TEXT, client_frame, handshake_head
from tests.support.http_api import KnownTokens, known
from tests.support.patience import PATIENCE_S
from tests.support.server_frames import read_back
from tests.support.virtual_time import in_virtual_time
from tests.support.wires import Door, Wire
from websocket_handler.access.admission import AdmissionOptions
from websocket_handler.net import departed
from websocket_handler.net.departed import End, end_of
from websocket_handler.net.entrance import EntranceOptions
from websocket_handler.ports.authenticator import Authenticated
from websocket_handler.protocol.codes import CloseCode

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: the end comes as a reset."""
CROWD = 20


@pytest.fixture
def short_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """On loopback a reset comes at once."""
    monkeypatch.setattr(departed, "DOUBT_S", 0.01)


@asynccontextmanager
async def opened(door: Door) -> AsyncIterator[int]:
    """The port of a node."""
    server = await asyncio.get_running_loop().create_server(door.entrance.protocol, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


def sent(port: int, data: bytes) -> socket.socket:
    """A client that has sent these bytes. The node's loop does not turn meanwhile, so it has read none of them."""
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(data)
    return client


def reset(client: socket.socket) -> None:
    """Hang up so that the node gets a reset at once."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the loop is busy with what is awaited
            await asyncio.sleep(0)


async def answered(client: socket.socket) -> tuple[int, list[dict[str, Any]]]:
    """Everything that the node sends until the end: status, messages."""
    client.setblocking(False)
    received = b""
    async with asyncio.timeout(PATIENCE_S):
        while data := await asyncio.get_running_loop().sock_recv(client, 65_536):
            received += data
    client.close()
    head, _, rest = received.partition(b"\r\n\r\n")
    messages = [json.loads(bytes(frame.data)) for frame in read_back(rest) if int(frame.opcode) == TEXT]
    return int(head.split()[1]), messages


def refused(door: Door) -> dict[str, int]:
    return dict(door.core.ports.counters.handshakes_refused)


def did_nothing(door: Door) -> bool:
    """True if the node took in no client, and carried out no command."""
    counters = door.core.ports.counters
    return (counters.connections_opened, dict(counters.commands), door.core.node.connections) == (0, {}, {})


class AskedTokens(KnownTokens):
    """An authenticator that counts how many tokens it had to verify."""

    asked = 0

    def authenticate(self, token: str, done: Authenticated) -> None:
        self.asked += 1
        super().authenticate(token, done)


@pytest_asyncio.fixture
async def door() -> Door:
    """A node on which so many clients of one address may be that only places that are given back suffice for two
    crowds."""
    return Door(admission=AdmissionOptions(connections_per_address=CROWD))


@pytest.mark.asyncio
async def test_what_the_kernel_knows_of_the_other_end() -> None:
    made: asyncio.Queue[asyncio.Transport] = asyncio.Queue()

    class Noted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            transport.pause_reading()  # only the kernel hears of what happens
            made.put_nowait(transport)

    async with await asyncio.get_running_loop().create_server(Noted, "127.0.0.1", 0) as server:
        port = int(server.sockets[0].getsockname()[1])
        client = sent(port, b"")
        ours = await made.get()
        assert end_of(ours) is End.OPEN
        client.sendall(b"bytes that wait are no end")
        assert end_of(ours) is End.OPEN
        client.shutdown(socket.SHUT_WR)
        assert end_of(ours) is End.SENDS_NO_MORE
        reset(client)
        assert end_of(ours) is End.GONE
        ours.abort()


@pytest.mark.usefixtures("short_doubt")
@pytest.mark.asyncio
async def test_a_client_that_left_is_not_greeted_and_reads_no_log(door: Door) -> None:
    async def come_and_leave(port: int, gone: int) -> None:
        for _ in range(CROWD):
            sent(port, handshake_head("/ws?project_id=p")).close()
        await until(lambda: refused(door) == {"gone": gone})

    async with opened(door) as port:
        await come_and_leave(port, CROWD)
        await come_and_leave(port, 2 * CROWD)
    assert did_nothing(door)
    assert (refused(door), door.entrance.doubts) == ({"gone": 2 * CROWD}, 0)


@pytest.mark.usefixtures("short_doubt")
@pytest.mark.asyncio
async def test_a_client_whose_reset_came_is_not_even_asked_who_it_is() -> None:
    tokens = AskedTokens(ada=known("ada"))
    door = Door(ports={"authenticator": tokens})
    head = handshake_head("/ws?project_id=p", authorization="Bearer ada")
    async with opened(door) as port:
        reset(sent(port, head))
        await until(lambda: bool(refused(door)))
        assert (refused(door), tokens.asked, did_nothing(door)) == ({"gone": 1}, 0, True)
        with closing(sent(port, head)):
            await until(lambda: len(door.core.node.connections) == 1)
    assert tokens.asked == 1


@pytest.mark.usefixtures("short_doubt")
@pytest.mark.asyncio
async def test_a_client_that_sends_no_more_but_reads_gets_all_that_it_asked_for(door: Door) -> None:
    async with opened(door) as port:
        client = sent(port, handshake_head("/ws?project_id=p"))
        client.shutdown(socket.SHUT_WR)
        status, messages = await answered(client)
    assert (status, [one["type"] for one in messages]) == (101, ["connected", "subscription_confirmed"])
    assert refused(door) == {}


@pytest.mark.usefixtures("short_doubt")
@pytest.mark.asyncio
async def test_commands_behind_a_handshake_are_carried_out_although_their_client_left(door: Door) -> None:
    publish = b'{"action":"publish","project_id":"p","message":{"n":1}}'
    async with opened(door) as port:
        sent(port, handshake_head() + client_frame(TEXT, publish)).close()
        await until(lambda: door.core.ports.counters.publications == 1)
    assert refused(door) == {}


class HalfClosed(Wire):
    """A wire whose client sends no more, as the kernel says."""

    def __init__(self) -> None:
        super().__init__()
        self.socket, self._client = socket.socketpair()
        self._client.shutdown(socket.SHUT_WR)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.socket if name == "socket" else super().get_extra_info(name, default)

    def arrive(self, door: Door) -> Self:
        """Send a handshake."""
        self.open(door.entrance.protocol())
        self.send(handshake_head("/ws?project_id=p"))
        return self

    def leave(self) -> None:
        """Close both ends of the socket."""
        self.socket.close()
        self._client.close()


@in_virtual_time
async def test_the_answer_to_a_handshake_leaves_at_once_and_the_rest_when_no_reset_came() -> None:
    wire = HalfClosed().arrive(door := Door())
    assert (wire.status, wire.messages(), did_nothing(door)) == (101, [], True)
    await asyncio.sleep(departed.DOUBT_S + 0.01)
    assert [one["type"] for one in wire.messages()] == ["connected", "subscription_confirmed"]
    assert wire.is_reading(), "the end of what the client sends has to be read"
    wire.leave()


@in_virtual_time
async def test_a_node_that_drains_meanwhile_tells_the_client_to_come_again() -> None:
    door = Door(admission=AdmissionOptions(connections_per_address=1))
    wire = HalfClosed().arrive(door)
    door.core.server.refuse_newcomers()
    await asyncio.sleep(departed.DOUBT_S + 0.01)
    ((opcode, payload),) = wire.frames()
    assert (opcode, int.from_bytes(payload[:2]), wire.closed) == (CLOSE, CloseCode.TRY_AGAIN_LATER, "closed")
    assert did_nothing(door)
    wire.leave()


@in_virtual_time
async def test_no_more_sockets_wait_than_may_and_the_next_one_gives_back_its_place() -> None:
    door = Door(entrance=EntranceOptions(entries=1), admission=AdmissionOptions(connections_per_address=2))
    waits = HalfClosed().arrive(door)
    for count in (1, 2):
        dropped = HalfClosed().arrive(door)
        assert (dropped.closed, dropped.written, refused(door)) == ("aborted", b"", {"dropped": count})
        dropped.leave()
    await asyncio.sleep(departed.DOUBT_S + 0.01)
    assert (waits.status, door.entrance.doubts) == (101, 0)
    waits.leave()
