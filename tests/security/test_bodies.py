"""Bodies on one connection: at their maximum, behind refusals, and with what may stand around their chunks."""

from __future__ import annotations

import json
from typing import Final

import pytest

from tests.support.gateway import Gateway, Start
from tests.support.peers import Raw, http
from tests.support.tokens import bearer, token

MESSAGES: Final = "/api/v1/projects/team-bodies/messages"
HEALTH: Final = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
MESSAGE_BYTES: Final = 65_536
BODY_BYTES: Final = 100 * MESSAGE_BYTES


def chunked_head(*lines: str, path: str = MESSAGES) -> bytes:
    """The head of a POST whose body comes in chunks."""
    return (
        "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", *lines]).encode() + b"\r\n\r\n"
    )


def chunks(body: bytes, size: int) -> bytes:
    """A body in chunks of this size, without the last chunk."""
    parts = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


def batch_of(size: int) -> bytes:
    """A batch of 100 objects with so many bytes, white space included."""
    messages = [{"pad": "x" * (MESSAGE_BYTES - 100)}] * 100
    body = json.dumps(messages, separators=(",", ":")).encode()
    return body + b" " * (size - len(body))


@pytest.mark.parametrize("size", [BODY_BYTES, BODY_BYTES + 1])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["announced", "chunked"])
def test_a_body_at_the_maximum_is_taken_and_one_byte_more_is_not(
    open_gateway: Gateway, size: int, is_chunked: bool
) -> None:
    with Raw(open_gateway.port) as raw:
        body = batch_of(size)
        if is_chunked:
            raw.send(chunked_head() + chunks(body, 60_000) + b"0\r\n\r\n")
        else:
            raw.send(f"POST {MESSAGES} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode() + body)
        response = raw.response()
        assert response.status == (200 if size <= BODY_BYTES else 413)
        if response.headers.get("connection") == "close":  # the answer came before the end of the body
            assert size > BODY_BYTES
            assert raw.is_ended()
        else:
            raw.send(HEALTH)
            assert raw.response().status == 200


def test_what_follows_a_body_is_no_header(guarded: Gateway) -> None:
    """RFC 9110 section 6.5.1. A proxy that checks or sets headers does not look there."""
    with Raw(guarded.port) as raw:
        for _ in range(2):  # the second request finds nothing of the first one
            raw.send(chunked_head() + b"2\r\n{}\r\n0\r\n" + f"Authorization: Bearer {token()}\r\n\r\n".encode())
            assert raw.response().status == 401
        raw.send(chunked_head(f"Authorization: Bearer {token()}") + b"2\r\n{}\r\n0\r\n")
        raw.send(b"Authorization: Basic x\r\nContent-Encoding: gzip\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")
        assert raw.response().status == 200


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"2\r\n{}\r\n0\r\n", b"a: " + b"x" * 10_000 + b"\r\n"),
        (b"2\r\n{}\r\n0\r\na: ", b"x" * 10_000),
        (b"2\r\n{}\r\n0\r\n", b"a" * 10_000),
        (b"2;", b"x" * 10_000),
        (b"", b"1;" + b"x" * 10_000 + b"\r\n \r\n"),
    ],
    ids=["fields", "one value", "one name", "one extension", "extensions"],
)
def test_what_stands_around_the_chunks_is_bounded(open_gateway: Gateway, begin: bytes, more: bytes) -> None:
    with Raw(open_gateway.port) as raw:
        raw.send(chunked_head() + begin)
        assert http(open_gateway.port, "GET", "/health").status == 200  # by now the head has been read
        for _ in range(100):
            try:
                raw.send(more)
            except ConnectionError:
                break
        response = raw.response()
        assert (response.status, response.code) == (413, "message_too_large")
        assert raw.is_ended()


def test_a_body_of_chunks_of_one_byte_is_taken(open_gateway: Gateway) -> None:
    body = b'{"pad":"' + b"x" * (MESSAGE_BYTES - 10) + b'"}'
    with Raw(open_gateway.port) as raw:
        raw.send(chunked_head() + chunks(body, 1) + b"0\r\n\r\n")
        assert raw.response().status == 200


@pytest.mark.parametrize("is_chunked", [False, True], ids=["announced", "chunked"])
def test_nothing_behind_a_body_that_was_refused_is_carried_out(start: Start, is_chunked: bool) -> None:
    publication = f"POST {MESSAGES} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    with start() as gateway, Raw(gateway.port) as raw:
        if is_chunked:
            raw.send(chunked_head(path="/nowhere") + b"5\r\nhel")
        else:
            raw.send(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel")
        response = raw.response()
        assert (response.status, response.headers["connection"]) == (404, "close")
        raw.send((b"lo\r\n0\r\n\r\n" if is_chunked else b"lo") + publication * 3)
        assert raw.is_ended()
        assert http(gateway.port, "GET", MESSAGES).json()["offset"] == 0


def test_a_slow_body_does_not_hold_up_a_later_request_on_another_connection(guarded: Gateway) -> None:
    """And when it is whole it is published, byte by byte as it came."""
    body = b'{"n":1}'
    with Raw(guarded.port) as raw:
        raw.send(chunked_head(f"Authorization: Bearer {token()}"))
        for byte in body:
            raw.send(b"1\r\n%c\r\n" % byte)
            assert http(guarded.port, "GET", MESSAGES, **bearer()).status == 200
        raw.send(b"0\r\n\r\n")
        assert raw.response().status == 200
