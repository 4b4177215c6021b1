"""What one client sends, without its socket: frames, their turns, and what is not read any more."""

from typing import Any

import pytest

from tests.support.doubles import connect
from tests.support.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, client_frame
from tests.support.nodes import NotedEvents, core_options, memory_ports
from tests.support.server_frames import read_back
from tests.support.virtual_time import in_virtual_time
from websocket_handler.assembly import assemble
from websocket_handler.delivery.connection import Connection
from websocket_handler.net.closing import Closing
from websocket_handler.net.incoming import Incoming
from websocket_handler.net.shared import Shared
from websocket_handler.protocol.codes import CloseCode, CommandError


class Node:
    """What the messages lead to, in order. A client is full behind the message `full`, and a bug meets `bug`."""

    def __init__(self, *, serves: bool = True) -> None:
        core = assemble(memory_ports(), core_options())
        self.log: Any = core.ports.log
        self.shared: Shared = core.sockets
        ours: Any = self  # both the server and the socket, as far as they are asked
        self.shared.server, self.shared.handle_message = ours, self.handle_client_message
        self.said: list[object] = []
        self.written: list[bytes] = []
        self.closing = Closing(ours, lambda: None)
        self.incoming = Incoming(self.shared, self.written.append, self.closing)
        self.connection = connect()
        if serves:
            self.incoming.serve(self.connection)

    def handle_client_message(self, connection: Connection, text: bytes) -> None:
        self.said.append(text)
        connection.is_paused = text == b"full"
        if text == b"bug":
            raise ValueError(text)

    def refuse(self, _connection: Connection, fault: CommandError) -> None:
        self.said.append(fault.code.value)

    # The socket

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def resume_reading(self) -> None:
        """It always reads."""

    def close(self) -> None:
        self.said.append("closed")

    def abort(self) -> None:
        """No test waits that long."""

    @property
    def frames(self) -> list[tuple[int, bytes]]:
        """What was written."""
        return [(int(frame.opcode), bytes(frame.data)) for frame in read_back(b"".join(self.written))]


def texts(*payloads: bytes) -> bytes:
    """A frame for each of these texts."""
    return b"".join(client_frame(TEXT, payload) for payload in payloads)


@pytest.mark.parametrize("cut", [1, 3, 1000])
@in_virtual_time
async def test_messages_are_carried_out_in_order_however_their_bytes_are_cut(cut: int) -> None:
    node = Node()
    stream = texts(b"a", b"b") + client_frame(TEXT, b"c", fin=False) + client_frame(PING, b"!")
    stream += client_frame(CONTINUATION, b"d") + client_frame(BINARY, b"x") + client_frame(TEXT, b"x" * 65_537)
    for start in range(0, 100, cut):
        node.incoming.receive(stream[start : min(start + cut, 100)])
    node.incoming.receive(stream[100:])
    assert node.said == [b"a", b"b", b"cd", "binary_not_supported", "message_too_large"]
    assert node.frames == [(PONG, b"!")]


@in_virtual_time
async def test_what_comes_behind_a_full_outbox_waits_for_its_turn() -> None:
    node = Node()
    node.incoming.receive(texts(b"a", b"full", b"b", b"full", b"c"))
    assert (node.said, node.incoming.has_waiting) == ([b"a", b"full"], True)
    node.incoming.receive(texts(b"d"))
    node.incoming.resume()
    assert node.said == [b"a", b"full"], "it is full still"
    node.connection.is_paused = False
    node.incoming.resume()
    assert (node.said, node.incoming.has_waiting) == ([b"a", b"full", b"b", b"full"], True)
    node.connection.is_paused = False
    node.incoming.resume()
    assert (node.said, node.incoming.has_waiting) == ([b"a", b"full", b"b", b"full", b"c", b"d"], False)


@in_virtual_time
async def test_what_waits_is_dropped_when_the_connection_ends() -> None:
    node = Node()
    node.incoming.receive(texts(b"full", b"a"))
    node.incoming.drop()
    node.connection.is_paused = False
    node.incoming.resume()
    assert (node.said, node.incoming.has_waiting) == ([b"full"], False)


@in_virtual_time
async def test_behind_a_close_frame_of_either_side_only_a_close_frame_is_heard() -> None:
    node = Node()
    node.closing.close(1000, "bye")
    node.incoming.receive(texts(b"a") + client_frame(PING, b"!") + client_frame(CLOSE, b"\x03\xe8"))
    assert node.said == ["closed"]
    assert [opcode for opcode, _ in node.frames] == [CLOSE]
    assert node.incoming.is_closing


@in_virtual_time
async def test_what_breaks_the_protocol_ends_it_behind_what_was_complete_before() -> None:
    node = Node()
    node.incoming.receive(texts(b"a") + b"\x83\x80\0\0\0\0" + texts(b"b"))
    node.incoming.receive(texts(b"c"))
    assert node.said == [b"a"]
    assert node.closing.code == CloseCode.PROTOCOL_ERROR


@in_virtual_time
async def test_a_bug_ends_the_connection_and_is_logged_with_its_name() -> None:
    node = Node()
    node.incoming.receive(texts(b"bug", b"a"))
    assert (node.said, node.closing.code) == ([b"bug"], CloseCode.INTERNAL_ERROR)
    assert isinstance(node.log, NotedEvents)
    assert [(event, fields["connection_id"]) for event, fields in node.log.events] == [("connection.failed", "c")]


@in_virtual_time
async def test_without_a_connection_no_message_is_a_command_and_pings_are_answered() -> None:
    node = Node(serves=False)
    node.incoming.receive(texts(b"a") + client_frame(BINARY, b"x") + client_frame(PING, b"!"))
    assert (node.said, node.frames) == ([], [(PONG, b"!")])
