"""The HTTP side under attack: slow, endless, pipelined, malformed."""

from __future__ import annotations

import pytest

from tests.support.gateway import Gateway, Start
from tests.support.peers import Raw, client_sockets, http
from tests.support.tokens import token

pytestmark = pytest.mark.usefixtures("open_witness")

HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


def test_a_slow_head_on_a_connection_kept_alive_ends_with_408(hasty: Gateway) -> None:
    with Raw(hasty.port) as raw:
        raw.send(HEALTH + b"GET /health HTTP/1.1\r\nHost: x\r\n")
        assert raw.response().status == 200
        response = raw.response()
        assert (response.status, response.code) == (408, "invalid_field")
        assert raw.is_ended()


def test_a_slow_first_head_ends_with_408_and_a_silent_socket_is_dropped(hasty: Gateway) -> None:
    with Raw(hasty.port) as slow, Raw(hasty.port) as silent:
        slow.send(b"GET /health HTTP/1.1\r\n")
        assert slow.response().status == 408
        assert silent.is_ended()


@pytest.mark.parametrize("is_first", [True, False], ids=["first head", "later head"])
def test_an_endless_head_ends_with_431(open_gateway: Gateway, is_first: bool) -> None:
    with Raw(open_gateway.port) as raw:
        if not is_first:
            raw.send(HEALTH)
            assert raw.response().status == 200
        raw.send(b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 33_000)
        response = raw.response()
        assert (response.status, response.code) == (431, "message_too_large")
        assert raw.is_ended()


def test_a_head_of_endless_headers_ends_with_431(open_gateway: Gateway) -> None:
    with Raw(open_gateway.port) as raw:
        raw.send(b"GET /health HTTP/1.1\r\n" + b"a:b\r\n" * 8000)
        assert raw.response().status == 431


def test_a_body_that_never_comes_is_given_up(hasty: Gateway) -> None:
    with Raw(hasty.port) as raw:
        head = f"POST /api/v1/broadcast HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nAuthorization: Bearer {token()}"
        raw.send(f"{head}\r\n\r\n".encode())
        response = raw.response()
        assert (response.status, response.code) == (400, "invalid_field")


NO_GOOD: dict[str, tuple[bytes, int]] = {
    "no HTTP": (b"hello\r\n\r\n", 400),
    "a version to come": (b"GET / HTTP/9.9\r\n\r\n", 400),
    "two lengths": (b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    "a length and chunks": (
        b"POST /api/v1/broadcast HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        400),
    "an unknown encoding": (
        b"POST /api/v1/broadcast HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    "an offer, and an unknown encoding": (
        b"DELETE /x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: x\r\n\r\n", 400),
    "a space before the colon": (b"GET /health HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    "a folded header": (b"GET /health HTTP/1.1\r\n folded: x\r\n\r\n", 400),
    "NUL in the path": (b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a path that is no UTF-8": (b"GET /%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "a path that is not ASCII": ("GET /é HTTP/1.1\r\nHost: x\r\n\r\n".encode(), 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "CONNECT": (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "CONNECT with a path": (b"CONNECT /health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "another host's URL": (b"GET http://evil.example/api/v1/connections/x HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    "an unknown method": (b"BREW /health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
}  # fmt: skip
CODES = {400: "invalid_field", 404: "not_found", 405: "method_not_allowed"}


@pytest.mark.parametrize(("request_bytes", "status"), NO_GOOD.values(), ids=NO_GOOD.keys())
def test_what_is_no_good_request_gets_its_4xx(open_gateway: Gateway, request_bytes: bytes, status: int) -> None:
    for before in (b"", HEALTH):
        with Raw(open_gateway.port) as raw:
            raw.send(before)
            assert not before or raw.response().status == 200
            raw.send(request_bytes)
            response = raw.response()
            assert (response.status, response.code) == (status, CODES[status])


def test_a_smuggled_second_request_is_not_carried_out(open_gateway: Gateway) -> None:
    inner = b"POST /api/v1/broadcast HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n" + b'{"type":"notice"}'
    head = b"POST /api/v1/broadcast HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Raw(open_gateway.port) as raw:
        raw.send(head + b"0\r\n\r\n" + inner)
        assert raw.response().status == 400
        assert raw.is_ended()


def test_pipelined_requests_are_answered_in_order_and_bounded(open_gateway: Gateway) -> None:
    with Raw(open_gateway.port) as raw:
        raw.send(HEALTH * 500)
        assert all(raw.response().status == 200 for _ in range(500))


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        *((name, 400, "invalid_project_id") for name in (
            "*", "a:b{x}", "%0d%0aSet-Cookie:x", "%00", "..", "%2e%2e", "a" * 1024, "%C3%A9", "e%CC%81", "x%20",
            "%E2%80%A8", "<script>")),
        ("..%2f..%2fetc", 404, "not_found"),
        ("é", 400, "invalid_field"),
    ],
)  # fmt: skip
def test_a_project_id_of_another_form_reaches_nothing(open_gateway: Gateway, name: str, status: int, code: str) -> None:
    for method, body in (("GET", b""), ("POST", b'{"a":1}')):
        response = http(open_gateway.port, method, f"/api/v1/projects/{name}/messages", body)
        assert (response.status, response.code) == (status, code)
        assert len(name) < 5 or name.encode() not in response.body
        assert "set-cookie" not in response.headers


def test_an_upgrade_to_something_else_is_answered_as_plain_http(open_gateway: Gateway) -> None:
    with Raw(open_gateway.port) as raw:
        raw.send(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n")
        assert raw.response().status == 200


def test_a_reader_of_events_that_does_not_read_is_dropped(start: Start) -> None:
    with start(SLOW_CLIENT_TIMEOUT_S="1") as gateway, Raw(gateway.port) as raw:
        raw.send(b"GET /api/v1/projects/flood/events HTTP/1.1\r\nHost: x\r\n\r\n")
        raw.read_until(b"subscription_confirmed")
        body = b'{"text":"' + b"x" * 60_000 + b'"}'
        for _ in range(200):
            assert http(gateway.port, "POST", "/api/v1/projects/flood/messages", body).status == 200
        gateway.until(lambda: client_sockets(gateway) == 0)


def test_secrets_in_a_bad_request_come_back_nowhere(guarded: Gateway) -> None:
    secret = token()[:-3] + "abc"
    for status, response in (
        (401, http(guarded.port, "GET", f"/api/v1/connections?access_token={secret}")),
        (404, http(guarded.port, "GET", f"/{secret}")),
        (401, http(guarded.port, "GET", "/api/v1/connections", authorization=f"Bearer {secret}")),
        (426, http(guarded.port, "GET", "/ws", sec_websocket_protocol=f"bearer, {secret}")),
    ):
        assert response.status == status
        assert secret.encode() not in response.body
        assert not any(secret in value for value in response.headers.values())


@pytest.mark.parametrize("path", ["/health/", "/api/v1/connections/", "//evil.example/", "/api/v1/broadcast/"])
def test_no_path_is_redirected_to_where_the_host_header_says(open_gateway: Gateway, path: str) -> None:
    response = http(open_gateway.port, "GET", path)
    assert (response.status, response.code) == (404, "not_found")
    assert "location" not in response.headers
