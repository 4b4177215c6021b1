"""A socket whose handshake agreed on compression: what it unpacks, when, and what it leaves packed."""

import gc
import tracemalloc
from typing import Any, cast

import pytest

from tests.support.frames import BINARY, PING, RSV1, TEXT, client_frame, deflated
from tests.support.server_frames import unpacked
from tests.support.virtual_time import in_virtual_time
from websocket_handler.access.admission import Admission, AdmissionOptions
from websocket_handler.access.open_access import OpenAccess
from websocket_handler.access.origins import ANY_ORIGIN
from websocket_handler.delivery.connection import Connection
from websocket_handler.net import incoming as module
from websocket_handler.net.echo import EchoWebSocket
from websocket_handler.net.keepalive import Keepalive, KeepaliveOptions
from websocket_handler.net.shared import Shared
from websocket_handler.net.websocket import WebSocket
from websocket_handler.protocol.codes import CloseCode, CommandError
from websocket_handler.protocol.deflate import DeflateFraming, inflated
from websocket_handler.protocol.frame_decoder import Event
from websocket_handler.protocol.frames import PLAIN, Framing
from websocket_handler.protocol.identity import ANYONE
from websocket_handler.protocol.session import Session, SessionLimits
from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.log import EventLog
from websocket_handler.telemetry.refusals import RefusalLog

BOMB = client_frame(TEXT, deflated(b"\0" * 65_536), rsv=RSV1)


class Wire:
    """The socket: what was written to it."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def set_write_buffer_limits(self, **_limits: int) -> None:
        """Nothing fills it."""

    def get_extra_info(self, _name: str) -> None:
        """No socket."""

    def resume_reading(self) -> None:
        """Nothing ever stopped."""

    def abort(self) -> None:
        """No test waits that long."""


class Desk:
    """A server, as far as a socket sees it; everything it is asked is noted in order."""

    def __init__(self, commands_per_second: float = 0) -> None:
        self.said: list[object] = []
        self.session = Session(SessionLimits(commands_per_second=commands_per_second), 0.0)
        self.wire = Wire()
        admission = Admission(AdmissionOptions(), ANY_ORIGIN, lambda: 0.0, OpenAccess(lambda: ""), lambda: 0)
        keepalive = Keepalive(KeepaliveOptions(), lambda: 0.0, lambda: False)
        self.shared = Shared(
            self,
            admission,
            keepalive,
            Counters(),
            EventLog(),
            lambda: 0.0,
            65_536,
            lambda: "",
            RefusalLog(EventLog(), lambda: 0.0),
        )

    def check_room(self, _subscriptions: int) -> None:
        """There is always room."""

    def register_connection(self, transport: Any, _identity: object, framing: Framing) -> Connection:
        return Connection("c", transport, self.session, 0.0, 0.0, framing=framing)

    def begin(self, _connection: Connection, _subscriptions: object) -> None:
        """Nothing is followed."""

    def unregister_connection(self, connection: Connection) -> None:
        connection.is_open = False

    def handle_client_message(self, connection: Connection, text: bytes) -> None:
        try:
            connection.session.receive(text, 0.0)
        except CommandError as fault:
            self.refuse(connection, fault)
        else:
            self.said.append(text)

    def refuse(self, _connection: Connection, fault: CommandError) -> None:
        self.said.append(fault.code.value)

    def socket(self, kind: type[WebSocket] = WebSocket) -> WebSocket:
        """A socket that agreed on compression."""
        wire: Any = self.wire
        socket = kind(self.shared, wire, (), ANYONE, "", DeflateFraming())
        socket.begin(b"")
        return socket


@pytest.fixture
def unpackings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all messages that are unpacked."""
    sizes: list[int] = []

    def watched(event: Event, payload: bytes, most: int) -> tuple[Event, bytes]:
        kind, message = inflated(event, payload, most)
        sizes.append(len(message))
        return kind, message

    monkeypatch.setattr(module, "inflated", watched)
    return sizes


def compressed(text: bytes, opcode: int = TEXT) -> bytes:
    """One compressed message."""
    return client_frame(opcode, deflated(text), rsv=RSV1)


PING_COMMAND = b'{"action":"ping"}'


def test_a_compressed_command_is_carried_out_and_its_limits_answered_in_step() -> None:
    desk = Desk()
    socket = desk.socket()
    socket.data_received(compressed(PING_COMMAND) + compressed(b"x" * 65_537) + compressed(b"\1", BINARY))
    socket.data_received(client_frame(TEXT, PING_COMMAND))
    assert desk.said == [PING_COMMAND, "message_too_large", "binary_not_supported", PING_COMMAND]
    assert not socket.is_closing


@in_virtual_time
async def test_what_cannot_be_unpacked_ends_the_connection_behind_what_came_before() -> None:
    desk = Desk()
    socket = desk.socket()
    socket.data_received(compressed(PING_COMMAND) + client_frame(TEXT, b"\xff", rsv=RSV1) + compressed(PING_COMMAND))
    assert desk.said == [PING_COMMAND]
    assert socket.close_code == CloseCode.INVALID_UTF8


def bytes_of(framing: Framing, count: int = 500) -> int:
    """What so many sockets with this framing take, after each carried out a command."""
    desk, wire = Desk(), cast(Any, Wire())
    data = client_frame(TEXT, PING_COMMAND) if framing is PLAIN else compressed(PING_COMMAND)
    sockets: list[WebSocket] = []
    gc.collect()
    tracemalloc.start()
    for _ in range(count):
        socket = WebSocket(desk.shared, wire, (), ANYONE, "", framing)
        socket.begin(b"")
        socket.data_received(data)
        sockets.append(socket)
    desk.said.clear()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return taken


def test_an_idle_compressing_connection_holds_no_more_than_a_plain_one() -> None:
    """No compressor, no inflater, no buffer: a pointer to what all share."""
    shared = DeflateFraming()
    for framing in (PLAIN, shared):  # whatever is made once, at the first use
        bytes_of(framing, 10)
    assert abs(bytes_of(shared) - bytes_of(PLAIN)) < 500 * 8


def test_over_the_rate_nothing_is_unpacked_any_more(unpackings: list[int]) -> None:
    desk = Desk(commands_per_second=5)
    desk.socket().data_received(compressed(PING_COMMAND) * 10 + BOMB * 1000)
    assert desk.said == [PING_COMMAND] * 10 + ["rate_limited"] * 1000
    assert len(unpackings) == 10


def test_what_waits_for_a_full_outbox_waits_packed(unpackings: list[int]) -> None:
    desk = Desk()
    socket = desk.socket()
    assert socket.connection is not None
    socket.connection.is_paused = True
    socket.data_received(compressed(PING_COMMAND) + BOMB * 1000)
    socket.data_received(BOMB * 1000)
    assert desk.said == [PING_COMMAND]
    assert len(unpackings) == 1


@in_virtual_time
async def test_the_echo_answers_in_kind() -> None:
    desk = Desk()
    socket = desk.socket(EchoWebSocket)
    text, small = b"over and over " * 50, b"small"
    socket.data_received(compressed(text) + compressed(small) + client_frame(TEXT, text) + client_frame(PING, b"!"))
    assert desk.wire.written.endswith(b"\x8a\x01!")
    assert unpacked(desk.wire.written[:-3]) == [(True, text), (False, small), (True, text)]
    socket.data_received(compressed(b"x" * 65_537, BINARY))
    assert socket.close_code == CloseCode.TOO_BIG
