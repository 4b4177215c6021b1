"""Fresh sockets over wires, in virtual time: what becomes of each, and how long it may take."""

import asyncio
from collections.abc import Callable

import pytest

from tests.support.frames import KEY, TEXT, client_frame, handshake_head
from tests.support.http_api import KnownTokens, known
from tests.support.nodes import NotedEvents
from tests.support.virtual_time import in_virtual_time, settle
from tests.support.wires import Door, HttpSide, Wire
from websocket_handler.access.admission import AdmissionOptions
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.net.entrance import EntranceOptions
from websocket_handler.net.websocket import WebSocket
from websocket_handler.ports.authenticator import Authenticated
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import Identity

GET = b"GET /health HTTP/1.1\r\nHost: gateway.example\r\n\r\n"
PING = client_frame(TEXT, b'{"action":"ping"}')
TIMEOUT_S = EntranceOptions().handshake_timeout_s
HEAD_BYTES = EntranceOptions().head_bytes


class LateKeys(KnownTokens):
    """An authenticator that has to fetch its key first."""

    def __init__(self, **known_tokens: Identity) -> None:
        super().__init__(**known_tokens)
        self.asked: list[Callable[[], None]] = []

    def authenticate(self, token: str, done: Authenticated) -> None:
        answer = self.known.get(token) or CommandError(ErrorCode.UNAUTHORIZED, "unknown")
        self.asked.append(lambda: done(answer))

    def fetch(self) -> None:
        """The key is there."""
        for answer in self.asked:
            answer()
        self.asked.clear()


def refused(door: Door) -> dict[str, int]:
    """How many handshakes were refused, by reason."""
    return dict(door.core.ports.counters.handshakes_refused)


def handed_on(wire: Wire) -> HttpSide:
    """The HTTP server that has the socket now."""
    protocol = wire.get_protocol()
    assert isinstance(protocol, HttpSide)
    assert protocol.transport is wire
    return protocol


def is_greeted(wire: Wire) -> bool:
    return wire.status == 101 and [one["type"] for one in wire.messages()][:1] == ["connected"]


# What a socket asks for


@in_virtual_time
async def test_a_request_goes_to_the_http_server_with_every_byte_that_came() -> None:
    door = Door()
    whole = GET + b"POST /api/v1/broadcast HTTP/1.1\r\n"
    for pieces in ([whole], [whole[index : index + 1] for index in range(len(GET))] + [whole[len(GET) :]]):
        wire = door.knock()
        for piece in pieces:
            wire.send(piece)
        assert handed_on(wire).received == whole
        assert wire.written == b""


@in_virtual_time
async def test_a_handshake_becomes_a_websocket_however_it_comes() -> None:
    door = Door()
    head = handshake_head()
    for pieces in ([head], [head[index : index + 1] for index in range(len(head))]):
        wire = door.knock()
        for piece in pieces:
            wire.send(piece)
        assert is_greeted(wire)
        assert isinstance(wire.get_protocol(), WebSocket)


@in_virtual_time
async def test_frames_that_came_with_the_handshake_are_handled_behind_its_answer() -> None:
    wire = Door().knock()
    wire.send(handshake_head() + PING + PING[:3])
    wire.send(PING[3:])
    assert [one["type"] for one in wire.messages()] == ["connected", "pong", "pong"]


@in_virtual_time
async def test_a_later_request_of_an_http_connection_may_ask_for_a_websocket() -> None:
    wire = Door().knock()
    wire.send(GET)
    handed_on(wire).give_back(wire, handshake_head() + PING)
    assert [one["type"] for one in wire.messages()] == ["connected", "pong"]


@in_virtual_time
async def test_a_head_is_read_up_to_its_maximum_and_refused_one_byte_beyond() -> None:
    door = Door()

    def padded(size: int) -> bytes:
        return handshake_head(x_pad="x" * (size - len(handshake_head(x_pad=""))))

    fits, beyond = door.knock(), door.knock()
    fits.send(padded(HEAD_BYTES))
    assert is_greeted(fits)
    beyond.send(padded(HEAD_BYTES + 1))
    assert (beyond.status, beyond.code) == (431, "message_too_large")
    assert refused(door) == {"message_too_large": 1}


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (handshake_head("/elsewhere"), 404, "not_found"),
        (handshake_head(sec_websocket_version="8"), 426, "upgrade_required"),
        (handshake_head(sec_websocket_key="short"), 400, "invalid_field"),
        (handshake_head("/ws?project_id=a%20b"), 400, "invalid_project_id"),
        (b"NOT HTTP\r\n\r\n", 400, "invalid_field"),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400, "invalid_field"),
    ],
    ids=range(6),
)
@in_virtual_time
async def test_what_cannot_be_taken_in_is_told_why_counted_and_logged(head: bytes, status: int, code: str) -> None:
    door = Door()
    wire = door.knock("198.51.100.9")
    wire.send(head)
    assert (wire.status, wire.code, wire.has_said_goodbye) == (status, code, True)
    assert refused(door) == {code: 1}
    log = door.core.ports.log
    assert isinstance(log, NotedEvents)
    ((event, fields),) = log.events
    assert (event, fields["code"], fields["address"]) == ("handshake.refused", code, "198.51.100.9")
    assert door.core.node.connections == {}


@pytest.mark.parametrize(
    ("head", "setting"),
    [
        (handshake_head(x_pad="x" * HEAD_BYTES), "HEAD_BYTES"),
        (handshake_head("/ws?access_token=ada"), "ALLOW_TOKEN_IN_QUERY"),
        (handshake_head(origin="https://evil.example"), "ALLOWED_ORIGINS"),
        (handshake_head("/ws?project_id=a&project_id=b&project_id=c"), "MAX_SUBSCRIPTIONS"),
        (handshake_head()[:-1], "HANDSHAKE_TIMEOUT_S"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@in_virtual_time
async def test_the_log_names_the_setting_that_would_let_a_client_in(head: bytes, setting: str) -> None:
    door = Door(ports={"authenticator": KnownTokens()}, delivery=DeliveryLimits(subscriptions=2))
    door.knock().send(head)
    await asyncio.sleep(door.entrance.options.handshake_timeout_s)
    log = door.core.ports.log
    assert isinstance(log, NotedEvents)
    ((event, fields),) = log.events
    assert (event, fields["setting"]) == ("handshake.refused", setting)


@pytest.mark.parametrize("head", [b"HEAD /ws HTTP/1.1\r\n\r\n", handshake_head().replace(b"GET", b"HEAD", 1)])
@in_virtual_time
async def test_an_answer_to_head_has_no_body(head: bytes) -> None:
    door = Door()
    wire = door.knock()
    wire.send(head)
    answer, _, body = wire.written.partition(b"\r\n\r\n")
    assert (wire.status, body, wire.has_said_goodbye) == (400, b"", True)
    assert b"\r\nContent-Length: " in answer
    assert b"\r\nContent-Length: 0\r\n" not in answer + b"\r\n"


# How long it may take


@in_virtual_time
async def test_a_socket_that_says_nothing_is_dropped_in_time_and_one_that_began_is_told_why() -> None:
    door = Door()
    silent, begun, done = (door.knock() for _ in range(3))
    begun.send(b"GET /ws HT")
    done.send(GET)
    await asyncio.sleep(TIMEOUT_S - 0.01)
    assert (silent.closed, begun.written) == (None, b"")
    await asyncio.sleep(0.02)
    assert (silent.closed, silent.written) == ("aborted", b"")
    assert (begun.status, begun.code) == (408, "invalid_field")
    assert done.closed is None


@in_virtual_time
async def test_each_socket_has_its_own_time() -> None:
    door = Door()
    wires: list[Wire] = []
    for _ in range(3):
        wires.append(door.knock())
        await asyncio.sleep(1)
    await asyncio.sleep(TIMEOUT_S - 3 + 0.5)
    assert [wire.closed for wire in wires] == ["aborted", None, None]
    await asyncio.sleep(1)
    assert [wire.closed for wire in wires] == ["aborted", "aborted", None]
    await asyncio.sleep(1)
    late = door.knock()
    await asyncio.sleep(TIMEOUT_S + 0.1)
    assert late.closed == "aborted", "the timer begins anew"


@in_virtual_time
async def test_a_byte_now_and_then_buys_no_time() -> None:
    wire = Door().knock()
    for byte in handshake_head()[:20]:
        if not wire.written:
            wire.send(bytes((byte,)))
        await asyncio.sleep(1)
    assert wire.status == 408


@in_virtual_time
async def test_at_the_maximum_the_oldest_socket_that_says_nothing_makes_room() -> None:
    door = Door(entrance=EntranceOptions(entries=3))
    first, second, third = (door.knock() for _ in range(3))
    assert [wire.closed for wire in (first, second, third)] == [None] * 3
    second.send(GET)
    fourth = door.knock()
    assert [wire.closed for wire in (first, second, third, fourth)] == [None] * 4, "one has said what it wants"
    door.knock()
    assert [wire.closed for wire in (first, second, third, fourth)] == ["aborted", None, None, None]
    assert refused(door) == {"dropped": 1}
    third.send(handshake_head())
    assert is_greeted(third)


@in_virtual_time
async def test_a_client_that_sends_no_more_gets_its_answer_or_the_reason() -> None:
    door = Door()
    part, nothing = door.knock(), door.knock()
    part.send(b"GET /ws")
    part.send_eof()
    assert (part.status, part.code) == (400, "invalid_field")
    nothing.send_eof()
    assert (nothing.closed, nothing.written) == ("closed", b"")


# Who it is


@in_virtual_time
async def test_while_a_key_is_fetched_nothing_is_read_and_nothing_is_lost() -> None:
    keys = LateKeys(ada=known("ada"))
    door = Door(ports={"authenticator": keys})
    wire = door.knock()
    wire.send(handshake_head("/ws?project_id=p", authorization="Bearer ada") + PING)
    assert (wire.written, wire.is_reading()) == (b"", False)
    keys.fetch()
    assert wire.is_reading()
    assert [one["type"] for one in wire.messages()] == ["connected", "subscription_confirmed", "pong"]
    identity = door.connection_of(wire).identity
    assert identity is not None
    assert identity.user_id == "ada"


@in_virtual_time
async def test_a_forged_token_is_refused_after_the_fetch() -> None:
    keys = LateKeys(ada=known("ada"))
    door = Door(ports={"authenticator": keys})
    wire = door.knock()
    wire.send(handshake_head(authorization="Bearer forged"))
    keys.fetch()
    assert (wire.status, wire.code) == (401, "unauthorized")


@in_virtual_time
async def test_a_client_that_left_while_its_key_was_fetched_takes_no_place() -> None:
    keys = LateKeys(ada=known("ada"))
    door = Door(ports={"authenticator": keys}, admission=AdmissionOptions(connections_per_address=1))
    wire = door.knock()
    wire.send(handshake_head(authorization="Bearer ada"))
    wire.hang_up()
    await settle()
    keys.fetch()
    assert (wire.written, door.core.node.connections) == (b"", {})
    again = door.knock()
    again.send(handshake_head(authorization="Bearer ada"))
    keys.fetch()
    assert is_greeted(again)


@in_virtual_time
async def test_a_key_that_does_not_come_is_told_in_time() -> None:
    keys = LateKeys(ada=known("ada"))
    wire = Door(ports={"authenticator": keys}).knock()
    wire.send(handshake_head(authorization="Bearer ada"))
    await asyncio.sleep(TIMEOUT_S + 0.1)
    assert (wire.status, wire.code) == (503, "authentication_unavailable")
    wire.forget()
    keys.fetch()
    assert wire.written == b"", "it was answered"


@in_virtual_time
async def test_room_that_is_gone_when_the_key_comes_is_refused() -> None:
    keys = LateKeys(ada=known("ada"), eve=known("eve"))
    door = Door(ports={"authenticator": keys}, admission=AdmissionOptions(connections_per_address=1))
    wires = [door.knock(), door.knock()]
    for wire, name in zip(wires, ("ada", "eve"), strict=True):
        wire.send(handshake_head(authorization=f"Bearer {name}"))
    keys.fetch()
    assert is_greeted(wires[0])
    assert (wires[1].status, wires[1].code) == (503, "too_many_connections")


@in_virtual_time
async def test_a_node_that_begins_to_drain_while_a_key_is_fetched_takes_nobody_in() -> None:
    keys = LateKeys(ada=known("ada"))
    door = Door(ports={"authenticator": keys})
    wire = door.knock()
    wire.send(handshake_head(authorization="Bearer ada"))
    door.core.server.refuse_newcomers()
    keys.fetch()
    assert (wire.status, wire.code) == (503, "draining")


@in_virtual_time
async def test_a_client_that_sends_no_more_while_its_key_is_fetched_gets_its_greeting_and_the_end() -> None:
    keys = LateKeys(ada=known("ada"))
    wire = Door(ports={"authenticator": keys}).knock()
    wire.send(handshake_head(authorization="Bearer ada"))
    wire.send_eof()
    assert wire.closed is None
    keys.fetch()
    await settle()
    assert is_greeted(wire)
    assert wire.closed == "closed"


@in_virtual_time
async def test_the_answer_to_a_handshake_proves_that_it_was_read() -> None:
    """RFC 6455 section 1.3: nobody else could have made it of this key."""
    wire = Door().knock()
    wire.send(handshake_head(sec_websocket_key=KEY))
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in wire.written
