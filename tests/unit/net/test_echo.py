"""`/__echo` over a wire: the gateway's own frames, with only the commands replaced."""

import asyncio

import pytest

from tests.support.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, client_frame, handshake_head
from tests.support.virtual_time import in_virtual_time, settle
from tests.support.wires import Door, Wire
from websocket_handler.access.admission import AdmissionOptions
from websocket_handler.net.echo import ECHO_PATH, EchoWebSocket
from websocket_handler.net.entrance import EntranceOptions
from websocket_handler.net.keepalive import KeepaliveOptions
from websocket_handler.protocol.codes import CloseCode
from websocket_handler.protocol.frames import close_frame

WITH_ECHO = EntranceOptions(has_echo=True)


def entered(door: Door) -> Wire:
    """A client of the echo."""
    wire = door.enter(ECHO_PATH)
    assert isinstance(wire.get_protocol(), EchoWebSocket)
    return wire


@in_virtual_time
async def test_a_message_comes_back_as_it_was_and_there_is_no_greeting() -> None:
    wire = entered(Door(entrance=WITH_ECHO))
    assert wire.written == b""
    wire.send(client_frame(TEXT, b'{"action":"ping"}') + client_frame(BINARY, b"\x00\xff") + client_frame(TEXT))
    wire.send(client_frame(TEXT, b"in ", fin=False) + client_frame(CONTINUATION, b"pieces"))
    assert wire.frames() == [(TEXT, b'{"action":"ping"}'), (BINARY, b"\x00\xff"), (TEXT, b""), (TEXT, b"in pieces")]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@in_virtual_time
async def test_a_message_comes_back_at_its_maximum_and_ends_the_connection_one_byte_beyond(opcode: int) -> None:
    wire = entered(Door(entrance=WITH_ECHO))
    wire.send(client_frame(opcode, b"x" * 65_536))
    assert wire.frames() == [(opcode, b"x" * 65_536)]
    wire.forget()
    wire.send(client_frame(opcode, b"x" * 65_537) + client_frame(TEXT, b"behind it"))
    assert wire.frames() == [(CLOSE, close_frame(CloseCode.TOO_BIG, "message too big")[2:])]


@in_virtual_time
async def test_it_is_no_connection_of_the_node_and_counts_for_its_address_all_the_same() -> None:
    door = Door(entrance=WITH_ECHO, admission=AdmissionOptions(connections_per_address=1))
    wire = entered(door)
    assert (door.core.node.connections, door.core.keepalive.count) == ({}, 1)
    beyond = door.knock()
    beyond.send(handshake_head(ECHO_PATH))
    assert (beyond.status, beyond.code) == (503, "too_many_connections")
    wire.hang_up()
    await settle()
    assert door.core.keepalive.count == 0
    entered(door)


@in_virtual_time
async def test_pings_and_goodbyes_are_those_of_every_connection() -> None:
    wire = entered(Door(entrance=WITH_ECHO))
    wire.send(client_frame(PING, b"!") + client_frame(CLOSE, b"\x03\xe8"))
    assert wire.frames() == [(PONG, b"!"), (CLOSE, b"\x03\xe8")]
    assert wire.closed == "closed"


@in_virtual_time
async def test_a_client_that_does_not_read_its_echoes_is_not_read_from() -> None:
    wire = entered(Door(entrance=WITH_ECHO))
    wire.is_full = True
    wire.send(client_frame(TEXT, b"x"))
    assert not wire.is_reading()
    wire.drain()
    assert wire.is_reading()
    wire.send(client_frame(TEXT, b"y"))
    assert [payload for _, payload in wire.frames()] == [b"x", b"y"]


@in_virtual_time
async def test_a_client_that_never_reads_is_closed_like_any_other() -> None:
    door = Door(entrance=WITH_ECHO, keepalive=KeepaliveOptions(25.0, 60.0))
    wire = entered(door)
    door.core.keepalive.start()
    wire.is_full = True
    wire.send(client_frame(TEXT, b"x"))
    await asyncio.sleep(60 + 25 + 10)
    assert wire.closed == "aborted"
    door.core.keepalive.stop()


@in_virtual_time
async def test_it_is_there_only_if_the_operator_wants_it() -> None:
    wire = Door().knock()
    wire.send(handshake_head(ECHO_PATH))
    assert (wire.status, wire.code) == (404, "not_found")
