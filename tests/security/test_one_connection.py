"""One TCP connection from its first request to its end: every request is judged as the first one is, and what was
accepted is answered."""

from __future__ import annotations

import json
import socket

import pytest

from tests.support.frames import TEXT, client_frame, handshake_head
from tests.support.gateway import Gateway, Start
from tests.support.peers import Ended, Raw, http
from tests.support.tokens import GUARDED, token

MESSAGES = "/api/v1/projects/one-connection/messages"
HEALTH = b"GET /health HTTP/1.1\r\nHost: gateway.example\r\n\r\n"


def post(body: bytes, *lines: str) -> bytes:
    """A publish request that keeps the connection."""
    head = [f"POST {MESSAGES} HTTP/1.1", "Host: gateway.example", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize("is_pipelined", [False, True], ids=["one by one", "in one packet"])
@pytest.mark.parametrize("first", [HEALTH, HEALTH * 3, post(b'{"n":1}')], ids=["health", "three", "publish"])
def test_a_handshake_is_taken_on_a_connection_that_was_used_before(
    open_gateway: Gateway, first: bytes, is_pipelined: bool
) -> None:
    """RFC 9110 section 7.8: proxies with kept-alive connections send a handshake on any of them."""
    answers = first.count(b" HTTP/1.1")
    shake_hands = handshake_head("/__echo") + client_frame(TEXT, b"early")
    with Raw(open_gateway.port) as raw:
        raw.send(first + (shake_hands if is_pipelined else b""))
        assert [raw.response().status for _ in range(answers)] == [200] * answers
        if not is_pipelined:
            raw.send(shake_hands)
        assert raw.response().status == 101
        assert raw.frame() == (TEXT, b"early")


def test_the_answers_of_earlier_requests_leave_before_the_handshakes(open_gateway: Gateway) -> None:
    wait = f"GET {MESSAGES}?after=9007199254740991&wait=0.2 HTTP/1.1\r\nHost: gateway.example\r\n\r\n".encode()
    with Raw(open_gateway.port) as raw:
        raw.send(wait + HEALTH + handshake_head() + client_frame(TEXT, b'{"action":"ping","id":"1"}'))
        assert [raw.response().status for _ in range(2)] == [200, 200]
        assert raw.response().status == 101
        assert json.loads(raw.frame()[1])["type"] == "connected"
        assert json.loads(raw.frame()[1])["id"] == "1"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (handshake_head("/nowhere"), 404),
        (handshake_head(sec_websocket_version="8"), 426),
        (handshake_head(connection="keep-alive"), 400),
        (handshake_head(connection=None), 400),
        (handshake_head(sec_websocket_key=None), 400),
        (handshake_head(content_length="5") + b"hello", 400),
        (handshake_head(content_length="5"), 400),
        (handshake_head(content_length="5", connection="close"), 400),
        (handshake_head(transfer_encoding="chunked"), 400),
        (handshake_head(transfer_encoding="chunked", connection="close"), 400),
    ],
)
@pytest.mark.parametrize("before", [b"", HEALTH], ids=["first", "later"])
@pytest.mark.parametrize("is_pipelined", [False, True], ids=["one by one", "in one packet"])
def test_a_later_handshake_is_refused_for_what_a_first_one_is(
    open_gateway: Gateway, before: bytes, is_pipelined: bool, head: bytes, status: int
) -> None:
    """At once: a body that was announced is not waited for."""
    with Raw(open_gateway.port) as raw:
        raw.send(before + (head if is_pipelined else b""))
        if before:
            assert raw.response().status == 200
        if not is_pipelined:
            raw.send(head)
        assert raw.response().status == status
        assert raw.is_ended()


@pytest.mark.parametrize("before", [b"", HEALTH], ids=["first", "later"])
@pytest.mark.parametrize(
    "fields",
    [
        {"connection": "Upgrade\t"},
        {"connection": "keep-alive,\tupgrade \t,x"},
        {"connection": ", ,UPGRADE,"},
        {"connection": "Upgrade\r\nConnection: keep-alive"},
        {"connection": "keep-alive\r\nConnection: Upgrade"},
        {"connection": "Upgrade, close"},
        {"upgrade": "h2c,\tWebSocket\t"},
        {"upgrade": "h2c\r\nUpgrade: websocket"},
    ],
    ids=range(8),
)
def test_the_lists_of_a_handshake_are_read_alike_on_every_connection(
    open_gateway: Gateway, before: bytes, fields: dict[str, str]
) -> None:
    """Frames that come in the same packet as the handshake are not lost, wherever the packet ends before."""
    shake_hands = handshake_head("/__echo", **fields)
    for cut in (0, len(shake_hands) - 1, len(shake_hands) - 2):
        with Raw(open_gateway.port) as raw:
            raw.send(before + shake_hands[:cut])
            if before:
                assert raw.response().status == 200
            raw.send(shake_hands[cut:] + client_frame(TEXT, b"early"))
            assert raw.response().status == 101
            assert raw.frame() == (TEXT, b"early")


def test_a_handshake_comes_in_pieces_behind_other_requests(open_gateway: Gateway) -> None:
    with Raw(open_gateway.port) as raw:
        raw.send(HEALTH)
        assert raw.response().status == 200
        head = handshake_head("/__echo")
        for start in range(0, len(head), 7):
            raw.send(head[start : start + 7])
        assert raw.response().status == 101


def test_another_protocol_that_is_offered_is_not_taken_up_and_the_connection_goes_on(open_gateway: Gateway) -> None:
    """What `curl --http2` sends; the requests behind it are answered too."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    with Raw(open_gateway.port) as raw:
        raw.send(HEALTH[:-2] + offer + HEALTH)
        assert [raw.response().status for _ in range(2)] == [200, 200]
        raw.send(HEALTH)
        assert raw.response().status == 200


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("is_first", [True, False], ids=["first", "later"])
def test_the_body_behind_an_offer_of_http_2_is_read(open_gateway: Gateway, is_first: bool, is_chunked: bool) -> None:
    """JDK 11 to 21's HttpClient offers h2c with its first request to an http URL, whatever the method is."""
    offer = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"]
    request = post(b'{"n":1}', *offer)
    if is_chunked:
        request = request.replace(b"Content-Length: 7", b"Transfer-Encoding: chunked")
        request = request.replace(b'{"n":1}', b'3\r\n{"n\r\n4\r\n":1}\r\n0\r\n\r\n')
    with Raw(open_gateway.port) as raw:
        if not is_first:
            raw.send(HEALTH)
            assert raw.response().status == 200
        raw.send(request[:-5])
        raw.send(request[-5:] + HEALTH + request)
        assert raw.response().json()["type"] == "publish_confirmed"
        assert raw.response().status == 200
        assert raw.response().json()["type"] == "publish_confirmed"


def test_any_number_of_offers_may_be_pipelined(open_gateway: Gateway) -> None:
    offer = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    with Raw(open_gateway.port) as raw:
        raw.send(offer * 2000)
        assert all(raw.response().status == 200 for _ in range(2000))


def test_empty_lines_between_requests_are_passed_over(open_gateway: Gateway) -> None:
    with Raw(open_gateway.port) as raw:
        raw.send(b"\r\n" + HEALTH + b"\r\n" + HEALTH + b"\r\n\r\n" + handshake_head("/__echo"))
        assert [raw.response().status for _ in range(3)] == [200, 200, 101]


@pytest.mark.parametrize(
    "broken",
    [b"hello", b"GET /health HTTP/1.1\r\n\r\n", post(b"{}", "Content-Length: 3"), handshake_head("/nowhere")],
    ids=["no HTTP", "no host", "two lengths", "handshake"],
)
def test_an_error_comes_behind_the_answers_of_earlier_requests(open_gateway: Gateway, broken: bytes) -> None:
    wait = f"GET {MESSAGES}?after=9007199254740991&wait=0.2 HTTP/1.1\r\nHost: gateway.example\r\n\r\n".encode()
    with Raw(open_gateway.port) as raw:
        raw.send(wait + HEALTH + broken)
        assert [raw.response().status for _ in range(2)] == [200, 200]
        assert raw.response().json()["type"] == "error"
        assert raw.is_ended()


def test_a_body_that_breaks_ends_its_own_request_and_no_earlier_one(open_gateway: Gateway) -> None:
    wait = f"GET {MESSAGES}?after=9007199254740991&wait=0.2 HTTP/1.1\r\nHost: gateway.example\r\n\r\n".encode()
    head = post(b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    for before, statuses in ((b"", []), (wait, [200]), (wait + HEALTH, [200, 200])):
        with Raw(open_gateway.port) as raw:
            raw.send(before + head + b"no size\r\n")
            assert [raw.response().status for _ in statuses] == statuses
            assert raw.response().code == "invalid_field"
            assert raw.is_ended()


@pytest.mark.parametrize("before", [b"", HEALTH], ids=["first", "later"])
@pytest.mark.parametrize("head", [HEALTH, handshake_head("/__echo")], ids=["http", "handshake"])
def test_a_head_has_at_most_so_many_bytes(start: Start, head: bytes, before: bytes) -> None:
    """Of both kinds, and wherever it stands on its connection. The rest of its request follows at once."""
    with start(HEAD_BYTES="2048", DIAG_ECHO="1") as gateway:
        for extra, statuses in ((0, (200, 101)), (1, (431,))):
            padded = head[:-2] + b"X: " + b"a" * (2048 - len(head) - len(b"X: \r\n") + extra) + b"\r\n\r\n"
            with Raw(gateway.port) as raw:
                raw.send(before + padded + b"\r\n")
                if before:
                    assert raw.response().status == 200
                assert raw.response().status in statuses


def test_a_large_body_before_a_part_of_a_head_does_not_count_for_it(open_gateway: Gateway) -> None:
    with Raw(open_gateway.port) as raw:
        raw.send(post(b'{"n":"' + b"x" * 60_000 + b'"}') + HEALTH[:-2])
        assert raw.response().status == 200
        raw.send(HEALTH[-2:])
        assert raw.response().status == 200


def test_a_socket_that_became_a_websocket_gives_its_place_among_the_requests_back(start: Start) -> None:
    with start(MAX_CONNECTIONS="1") as gateway, Raw(gateway.port) as raw:
        raw.send(HEALTH)
        assert raw.response().status == 200
        assert http(gateway.port, "GET", "/health").status == 503
        raw.send(handshake_head())
        assert raw.response().status == 101
        assert http(gateway.port, "GET", "/health").status == 200


@pytest.mark.parametrize("target", ["http://gateway.example/health", "ws://gateway.example:80/health"])
def test_a_request_in_absolute_form(open_gateway: Gateway, target: str) -> None:
    assert http(open_gateway.port, "GET", target).status == 200


@pytest.mark.parametrize(("asked", "is_own"), [("page.example", True), ("other.example", False)])
def test_the_authority_of_an_absolute_form_is_the_host_for_every_kind_of_request(
    start: Start, asked: str, is_own: bool
) -> None:
    """RFC 9112 section 3.2.2: a page of the host in `Host` is not a page of the host that is asked for."""
    page = ["Host: page.example", "Origin: http://page.example", f"Authorization: Bearer {token()}"]
    request = [f"GET http://{asked}/api/v1/projects/team-a/messages HTTP/1.1", *page]
    handshake = handshake_head(f"http://{asked}/ws", host=None)[:-4].decode().split("\r\n") + page
    with start(**(GUARDED | {"ALLOWED_ORIGINS": ""})) as gateway:
        for lines, status in ((request, 200), (handshake, 101)):
            with Raw(gateway.port) as raw:
                raw.send("\r\n".join(lines).encode() + b"\r\n\r\n")
                assert raw.response().status == (status if is_own else 403)


@pytest.mark.parametrize("target", ["ws://gateway.example/__echo", "http://gateway.example/__echo", "/%5F_echo"])
def test_a_handshake_in_every_form_of_target(open_gateway: Gateway, target: str) -> None:
    with Raw(open_gateway.port) as raw:
        raw.send(handshake_head(target, content_length="0"))
        assert raw.response().status == 101


# Half-closed: the client sends no more, and still reads


def half_closed(raw: Raw, data: bytes) -> None:
    """Send, and say that nothing follows."""
    raw.send(data)
    raw.socket.shutdown(socket.SHUT_WR)


def test_what_was_asked_before_a_half_close_is_answered(open_gateway: Gateway) -> None:
    with Raw(open_gateway.port) as raw:
        half_closed(raw, post(b'{"n":1}') + post(b'{"n":2}') + HEALTH)
        assert [raw.response().json()["type"] for _ in range(2)] == ["publish_confirmed"] * 2
        assert raw.response().status == 200
        assert raw.is_ended()


@pytest.mark.parametrize("before", [b"", HEALTH, HEALTH * 2, HEALTH * 9], ids=["first", "second", "third", "tenth"])
@pytest.mark.parametrize(
    "cut",
    [
        post(b'{"n":1}')[:-1],
        post(b"")[:-2],
        post(b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"") + b"7\r\n{}\r\n",
        b"GET /hea",
        handshake_head()[:-1],
    ],
    ids=["body", "head", "chunks", "line", "handshake"],
)
def test_a_request_that_a_half_close_cuts_short_is_refused_and_not_waited_for(
    open_gateway: Gateway, before: bytes, cut: bytes
) -> None:
    with Raw(open_gateway.port) as raw:
        half_closed(raw, before + cut)
        assert [raw.response().status for _ in range(before.count(b"GET"))] == [200] * before.count(b"GET")
        answer = raw.response()
        assert (answer.status, answer.code) == (400, "invalid_field")
        assert raw.is_ended()


def test_a_socket_that_sends_nothing_and_half_closes_is_ended_in_silence(open_gateway: Gateway) -> None:
    with Raw(open_gateway.port) as raw:
        half_closed(raw, b"")
        with pytest.raises(Ended):
            raw.response()


def test_a_request_whose_body_was_cut_asked_for_nothing(open_gateway: Gateway) -> None:
    with Raw(open_gateway.port) as raw:
        half_closed(raw, post(b'{"n":1}') + post(b'{"n":2}')[:-1])
        assert raw.response().json()["type"] == "publish_confirmed"
        assert raw.is_ended()


def test_a_handshake_behind_other_requests_hears_of_a_half_close(open_gateway: Gateway) -> None:
    wait = f"GET {MESSAGES}?after=9007199254740991&wait=0.2 HTTP/1.1\r\nHost: gateway.example\r\n\r\n".encode()
    command = client_frame(TEXT, b'{"action":"ping","id":"last"}')
    with Raw(open_gateway.port) as raw:
        half_closed(raw, wait + handshake_head() + command)
        assert [raw.response().status for _ in range(2)] == [200, 101]
        assert json.loads(raw.frame()[1])["type"] == "connected"
        assert json.loads(raw.frame()[1])["id"] == "last"
        assert raw.is_ended()


def test_a_poll_that_waits_is_answered_at_a_half_close(open_gateway: Gateway) -> None:
    with Raw(open_gateway.port) as raw:
        path = "/api/v1/projects/nobody-publishes-here/messages?wait=60"
        half_closed(raw, f"GET {path} HTTP/1.1\r\nHost: gateway.example\r\n\r\n".encode())
        assert raw.response().json()["messages"] == []
        assert raw.is_ended()


def test_a_stream_ends_at_a_half_close_with_all_there_is(open_gateway: Gateway) -> None:
    with Raw(open_gateway.port) as raw:
        raw.send(post(b'{"n":1}'))
        reply = raw.response().json()
        path = f"/api/v1/projects/one-connection/events?since={reply['epoch']}:{reply['offset'] - 1}"
        half_closed(raw, f"GET {path} HTTP/1.1\r\nHost: gateway.example\r\n\r\n".encode())
        answer = raw.response()
        assert answer.status == 200
        assert b'"n":1' in answer.body
        assert raw.is_ended()


def test_a_command_is_confirmed_after_a_half_close(open_gateway: Gateway) -> None:
    command = '{"action":"publish","project_id":"one-connection","message":{},"id":"last"}'
    with Raw(open_gateway.port) as raw:
        raw.send(handshake_head())
        assert raw.response().status == 101
        raw.frame()
        half_closed(raw, client_frame(TEXT, command.encode()))
        assert json.loads(raw.frame()[1])["id"] == "last"
        assert raw.is_ended()


# A client that breaks the protocol


def test_a_connection_that_failed_is_not_waited_for(open_gateway: Gateway) -> None:
    """RFC 6455 section 7.1.7. The client does not answer the close frame; the socket ends all the same, long before
    the time of an orderly close."""
    with Raw(open_gateway.port, timeout_s=4.0) as raw:  # less than the 5 s of an orderly close
        raw.send(handshake_head())
        assert raw.response().status == 101
        raw.frame()
        raw.send(client_frame(TEXT, b"not masked", mask=None))
        opcode, payload = raw.frame()
        assert (opcode, int.from_bytes(payload[:2])) == (8, 1002)
        assert raw.is_ended()
