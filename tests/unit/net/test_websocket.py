"""One WebSocket over a wire, in virtual time: what comes in, what goes out, and how it ends."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, client_frame, handshake_head
from tests.support.nodes import NotedEvents
from tests.support.virtual_time import in_virtual_time, settle
from tests.support.wires import Door, Wire
from websocket_handler.access.admission import AdmissionOptions
from websocket_handler.delivery.connection import Connection
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.net.closing import CLOSE_TIMEOUT_S, FAIL_TIMEOUT_S
from websocket_handler.net.websocket import GREETING_BYTES_MAX, WebSocket
from websocket_handler.protocol.codes import CloseCode
from websocket_handler.protocol.frames import close_frame


def socket_of(wire: Wire) -> WebSocket:
    websocket = wire.get_protocol()
    assert isinstance(websocket, WebSocket)
    return websocket


def closed_lines(door: Door) -> list[dict[str, Any]]:
    """What the log says about connections that ended."""
    log = door.core.ports.log
    assert isinstance(log, NotedEvents)
    return [fields for event, fields in log.events if event == "connection.closed"]


# The beginning


@in_virtual_time
async def test_the_answer_the_greeting_and_the_confirmations_leave_in_one_write() -> None:
    door = Door()
    wire = door.knock()
    wire.send(handshake_head("/ws?project_id=p&project_id=q"))
    assert len(wire.writes) == 1
    kinds = [message["type"] for message in wire.messages()]
    assert kinds == ["connected", "subscription_confirmed", "subscription_confirmed"]


@in_virtual_time
async def test_a_client_that_resumes_gets_a_bounded_first_write_and_the_rest_behind_it() -> None:
    door = Door(delivery=DeliveryLimits(write_bytes=1500))
    for n in range(8):
        door.core.server.send_to_project("p", {"n": n, "text": "x" * 1000}, done=lambda _answer: None)
        await settle()
    epoch = door.core.node.projects.get("p").journal.log.epoch
    wire = door.knock()
    wire.send(handshake_head(f"/ws?project_id=p&since={epoch}:0"))
    assert len(wire.writes) > 1
    assert GREETING_BYTES_MAX < len(wire.writes[0]) < GREETING_BYTES_MAX + 1500
    assert [message.get("n") for message in wire.messages()] == [None, None, *range(8)]


# What comes in


@in_virtual_time
async def test_a_command_is_answered_and_a_publication_reaches_whoever_follows() -> None:
    door = Door()
    wire, other = door.enter(), door.enter("/ws?project_id=p")
    wire.command(action="ping", id="1")
    wire.command(action="publish", id="2", project_id="p", message={"n": 1})
    await settle()
    assert [(one["type"], one["id"]) for one in wire.messages()] == [("pong", "1"), ("publish_confirmed", "2")]
    assert [one["n"] for one in other.messages()] == [1]


@in_virtual_time
async def test_frames_that_come_together_and_in_pieces_are_handled_in_order() -> None:
    wire = Door().enter()
    stream = b"".join(client_frame(TEXT, b'{"action":"ping","id":"%d"}' % n) for n in range(1, 4))
    stream += client_frame(TEXT, b'{"action":', fin=False) + client_frame(PING, b"between")
    stream += client_frame(CONTINUATION, b'"ping","id":"4"}')
    wire.send(stream[:7])
    for index in range(7, len(stream), 11):
        wire.send(stream[index : index + 11])
    assert [one["id"] for one in wire.messages()] == ["1", "2", "3", "4"]
    assert wire.frames()[3] == (PONG, b"between")


@pytest.mark.parametrize(("size", "code"), [(65_536, "invalid_json"), (65_537, "message_too_large")])
@in_virtual_time
async def test_a_message_is_read_up_to_its_maximum_and_the_stream_stays_in_step_beyond(size: int, code: str) -> None:
    wire = Door().enter()
    wire.send(client_frame(TEXT, b"x" * size) + client_frame(BINARY, b"x") + client_frame(TEXT, b'{"action":"ping"}'))
    answers = [one.get("code", one["type"]) for one in wire.messages()]
    assert answers == [code, "binary_not_supported", "pong"]
    assert wire.closed is None


@in_virtual_time
async def test_a_ping_is_answered_with_its_payload() -> None:
    wire = Door().enter()
    for payload in (b"", b"x" * 125):
        wire.send(client_frame(PING, payload))
    assert wire.frames() == [(PONG, b""), (PONG, b"x" * 125)]


@in_virtual_time
async def test_a_flood_of_pings_is_counted_and_its_latest_is_answered_later() -> None:
    door = Door()
    wire = door.enter()
    wire.send(client_frame(PING, b"early") * 1000 + client_frame(PING, b"late") * 2)
    assert len(wire.frames()) == 1000
    assert door.core.ports.counters.pings_deferred == 2
    await asyncio.sleep(1.1)
    assert wire.frames()[1000:] == [(PONG, b"late")]


@in_virtual_time
async def test_silence_since_the_last_ping_is_seen() -> None:
    wire = Door().enter()
    websocket = socket_of(wire)
    assert websocket.heard
    websocket.ping()
    assert (websocket.heard, wire.frames()) == (False, [(PING, b"")])
    wire.send(client_frame(PONG))
    assert websocket.heard


@in_virtual_time
async def test_a_bug_ends_the_connection_that_met_it_and_no_other() -> None:
    logged: list[dict[str, object]] = []

    class Log(NotedEvents):
        def exception(self, event: str, fault: BaseException, **fields: object) -> None:
            logged.append({"event": event, **fields})

    door = Door(ports={"log": Log()})
    other, wire = door.enter(), door.enter()

    def broken(connection: Connection, text: bytes) -> None:
        raise RuntimeError("a bug")

    handle, door.core.sockets.handle_message = door.core.sockets.handle_message, broken
    connection_id = door.connection_of(wire).connection_id
    wire.command(action="ping")
    door.core.sockets.handle_message = handle
    assert wire.frames() == [(CLOSE, close_frame(CloseCode.INTERNAL_ERROR, "internal error")[2:])]
    assert logged == [{"event": "connection.failed", "connection_id": connection_id}]
    other.command(action="ping")
    assert [one["type"] for one in other.messages()] == ["pong"]


# The outbox


@in_virtual_time
async def test_a_client_that_reads_slowly_is_not_read_from_and_its_commands_wait() -> None:
    door = Door()
    wire = door.enter("/ws?project_id=p")
    wire.is_full = True
    wire.send(b"".join(client_frame(TEXT, b'{"action":"ping","id":"%d"}' % n) for n in range(1, 4)))
    assert (wire.is_reading(), door.connection_of(wire).is_paused) == (False, True)
    assert [one["id"] for one in wire.messages()] == ["1"], "the others wait unread"
    door.core.server.send_to_project("p", {"n": 1}, done=lambda _answer: None)
    await settle()
    assert len(wire.messages()) == 1, "what is published waits in the log"
    assert door.core.ports.counters.slow_pauses == 1
    wire.drain()
    await settle()
    assert [one.get("id", one.get("n")) for one in wire.messages()] == ["1", 1, "2", "3"]
    assert (wire.is_reading(), door.connection_of(wire).is_paused) == (True, False)


@in_virtual_time
async def test_a_client_that_is_full_again_waits_again() -> None:
    wire = Door().enter()
    wire.is_full = True
    wire.send(client_frame(TEXT, b'{"action":"ping"}') * 3)
    for count in (2, 3):
        wire._buffered = 0
        wire.get_protocol().resume_writing()
        assert len(wire.messages()) == count
        assert not wire.is_reading()


# The end


@pytest.mark.parametrize(
    ("payload", "answer", "code"),
    [
        (b"\x03\xe8bye", close_frame(1000), 1000),
        (b"\x0f\xa1", close_frame(4001), 4001),
        (b"", b"\x88\x00", 1005),
    ],
)
@in_virtual_time
async def test_a_client_that_says_goodbye_is_answered_in_kind_and_gets_nothing_more(
    payload: bytes, answer: bytes, code: int
) -> None:
    door = Door()
    wire = door.enter("/ws?project_id=p")
    wire.send(client_frame(TEXT, b'{"action":"ping"}') + client_frame(CLOSE, payload))
    assert wire.closed == "closed"
    assert wire.written.endswith(answer)
    await settle()
    assert door.core.node.connections == {}
    (line,) = closed_lines(door)
    assert (line["close_code"], line["commands"]) == (code, 1)


@in_virtual_time
async def test_what_comes_behind_a_goodbye_is_not_carried_out() -> None:
    door = Door()
    wire = door.enter()
    wire.send(client_frame(CLOSE, b"\x03\xe8") + client_frame(TEXT, b'{"action":"ping"}'))
    assert [opcode for opcode, _ in wire.frames()] == [CLOSE]


@in_virtual_time
async def test_the_node_says_goodbye_behind_what_it_wrote_and_waits_for_the_answer() -> None:
    door = Door()
    wire = door.enter()
    door.connection_of(wire).push(b'{"type":"last"}')
    socket_of(wire).close(CloseCode.HANDED_OVER, "come back")
    socket_of(wire).close(CloseCode.NORMAL, "twice changes nothing")
    assert wire.frames() == [(TEXT, b'{"type":"last"}'), (CLOSE, close_frame(4012, "come back")[2:])]
    assert door.core.node.connections == {}, "it takes no commands and gets no publications"
    await asyncio.sleep(CLOSE_TIMEOUT_S - 0.1)
    wire.send(client_frame(TEXT, b'{"action":"ping"}'))
    wire.send(client_frame(CLOSE, b"\x0f\xac"))
    assert wire.closed == "closed"
    assert len(wire.frames()) == 2
    await settle()
    assert closed_lines(door)[0]["close_code"] == CloseCode.HANDED_OVER
    await asyncio.sleep(2 * CLOSE_TIMEOUT_S)
    assert wire.closed == "closed", "no timer is left"


@in_virtual_time
async def test_a_client_that_does_not_answer_a_goodbye_is_dropped_in_time() -> None:
    wire = Door().enter()
    wire.is_full = True
    socket_of(wire).close(CloseCode.SLOW_CLIENT, "slow")
    assert wire.is_reading(), "its close frame may be behind what was not read"
    await asyncio.sleep(CLOSE_TIMEOUT_S - 0.01)
    assert wire.closed is None
    await asyncio.sleep(0.02)
    assert wire.closed == "aborted"


@in_virtual_time
async def test_a_client_that_breaks_the_protocol_is_told_and_dropped_soon() -> None:
    door = Door()
    wire = door.enter()
    wire.send(client_frame(TEXT, b'{"action":"ping"}') + client_frame(TEXT, b"x", mask=None))
    (_, answer), (opcode, payload) = wire.frames()
    assert json.loads(answer)["type"] == "pong", "what came before is answered"
    assert (opcode, int.from_bytes(payload[:2])) == (CLOSE, CloseCode.PROTOCOL_ERROR)
    assert wire.closed is None
    await asyncio.sleep(FAIL_TIMEOUT_S + 0.01)
    assert wire.closed == "aborted"


@in_virtual_time
async def test_commands_under_way_are_answered_after_a_half_close() -> None:
    door = Door()
    wire = door.enter()
    door.connection_of(wire).in_flight.begin(1, 1)
    wire.send_eof()
    await asyncio.sleep(1)
    assert wire.closed is None
    door.connection_of(wire).push(b'{"type":"forward_confirmed"}')
    door.connection_of(wire).in_flight.end(1)
    await asyncio.sleep(0.1)
    assert wire.closed == "closed"
    assert [one["type"] for one in wire.messages()] == ["forward_confirmed"]


@in_virtual_time
async def test_a_connection_that_was_lost_gives_back_its_place_and_leaves_one_line() -> None:
    door = Door(admission=AdmissionOptions(connections_per_address=1))
    wire = door.enter("/ws?project_id=p")
    wire.command(action="ping")
    connection_id = door.connection_of(wire).connection_id
    await asyncio.sleep(2)
    wire.hang_up()
    await settle()
    assert closed_lines(door) == [
        {"connection_id": connection_id, "close_code": 1006, "duration_s": 2.0, "commands": 1, "projects": 1}
    ]
    assert (door.core.keepalive.count, door.core.node.connections) == (0, {})
    door.enter()


@in_virtual_time
async def test_a_socket_that_is_none_has_no_descriptor() -> None:
    """Bytes are sent past the transport only where they are the bytes of the connection."""
    assert socket_of(Door().enter()).descriptor == -1
