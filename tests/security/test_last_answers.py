"""Answers that end a connection: the client gets them whole, however much it is still sending."""

from __future__ import annotations

import pytest

from tests.support.frames import TEXT, client_frame, handshake_head
from tests.support.gateway import Gateway, Start
from tests.support.peers import Raw, Response, client_sockets
from tests.support.tokens import token
from websocket_handler.net.lingering import LINGER_BYTES

MESSAGES = "/api/v1/projects/team-a/messages"
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
TOO_MUCH = 100 * 65_536 + 1


def head(
    length: int, *lines: str, method: str = "POST", path: str = MESSAGES, authorization: str | None = None
) -> bytes:
    """A head that announces a body."""
    bearer = f"Bearer {token()}" if authorization is None else authorization
    fields = ["Host: gateway.example", f"Content-Length: {length}", f"Authorization: {bearer}", *lines]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *fields]).encode() + b"\r\n\r\n"


def send_on(raw: Raw, size: int) -> None:
    """Send so many bytes. Raises ConnectionError."""
    piece = bytes(1_048_576)
    for _ in range(size // len(piece)):
        raw.send(piece)


def is_closed_in_order(raw: Raw) -> bool:
    """True if the gateway says that nothing follows. Raises ConnectionResetError if it drops the connection."""
    return raw.socket.recv(1) == b""


REFUSED: dict[str, tuple[bytes, int]] = {
    "no token": (head(10, authorization=""), 401),
    "no such route": (head(10, path="/nowhere"), 404),
    "no such method": (head(10, method="PUT"), 405),
    "no project id": (head(10, path="/api/v1/projects/a%20b/messages"), 400),
    "another project": (head(10, path="/api/v1/projects/nobody/messages"), 403),
    "another page": (head(10, "Origin: http://evil.example"), 403),
    "two keys": (head(10, "Idempotency-Key: a", "Idempotency-Key: b"), 400),
    "too much": (head(TOO_MUCH), 413),
    "a health check": (head(10, path="/health", method="GET"), 200),
}


@pytest.mark.parametrize("expects", [[], ["Expect: 100-continue"]], ids=["at once", "after 100"])
@pytest.mark.parametrize(("request_head", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_an_answer_before_the_body_was_read_ends_the_connection(
    guarded: Gateway, request_head: bytes, status: int, expects: list[str]
) -> None:
    """Whoever waited for 100 sends no body now: what came next would be taken for it (RFC 9110 section 10.1.1)."""
    lines = "".join(f"{line}\r\n" for line in expects).encode()
    with Raw(guarded.port) as raw:
        raw.send(request_head[:-2] + lines + b"\r\n")
        response = raw.response()
        assert response.status == status
        assert response.headers["connection"] == "close"
        assert is_closed_in_order(raw)


@pytest.mark.parametrize("name", ["no token", "no such route", "another page"])
def test_a_body_that_is_read_or_has_come_keeps_the_connection(guarded: Gateway, name: str) -> None:
    request_head, status = REFUSED[name]
    with Raw(guarded.port) as raw:
        raw.send(request_head + b"0123456789" + HEALTH)
        response = raw.response()
        assert (response.status, response.headers.get("connection")) == (status, None)
        assert raw.response().status == 200
        raw.send(head(7) + b"no JSON")
        response = raw.response()
        assert (response.code, response.headers.get("connection")) == ("invalid_json", None)
        raw.send(HEALTH)
        assert raw.response().status == 200


@pytest.mark.parametrize("size", [100_000, LINGER_BYTES // 2])
def test_a_client_that_sends_its_whole_body_first_reads_the_answer(guarded: Gateway, size: int) -> None:
    """If the whole body had come when the gateway answered, the connection stays."""
    with Raw(guarded.port) as raw:
        raw.send(head(size, authorization=""))
        raw.send(b"x" * size)
        response = raw.response()
        assert response.status == 401
        if response.headers.get("connection") == "close":
            assert is_closed_in_order(raw)
        else:
            raw.send(HEALTH)
            assert raw.response().status == 200


def test_a_client_that_goes_on_sending_is_dropped(guarded: Gateway) -> None:
    with Raw(guarded.port) as raw:
        raw.send(head(100 * LINGER_BYTES, authorization=""))
        with pytest.raises(ConnectionError):
            send_on(raw, 100 * LINGER_BYTES)


def test_a_client_that_keeps_its_side_open_is_dropped(start: Start) -> None:
    with start() as gateway, Raw(gateway.port) as raw:
        raw.send(head(10, path="/nowhere"))
        assert raw.response().status == 404
        gateway.until(lambda: client_sockets(gateway) == 0)


@pytest.mark.parametrize(
    ("begin", "rest"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", bytes(600_000)),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000, b"a" * 600_000),
        (handshake_head("/nowhere"), client_frame(TEXT, b"x" * 60_000) * 10),
        (handshake_head(content_length="600000"), bytes(600_000)),
        (HEALTH + b"hello", bytes(600_000)),
        (HEALTH + handshake_head("/nowhere"), client_frame(TEXT, b"x" * 60_000) * 10),
    ],
    ids=["TLS", "large head", "handshake", "handshake with a body", "no HTTP", "later handshake"],
)
def test_what_is_refused_before_it_is_read_gets_its_answer(guarded: Gateway, begin: bytes, rest: bytes) -> None:
    with Raw(guarded.port) as raw:
        raw.send(begin)
        raw.send(rest)
        response: Response = raw.response()
        if begin.startswith(HEALTH):
            response = raw.response()
        assert 400 <= response.status < 500
        assert response.headers["connection"].startswith("close")
        assert is_closed_in_order(raw)
