"""Event streams and polls that wait take places like WebSockets: limited per address and per user, counted, given
back, also by who hangs up without a word."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import pytest

from tests.security.streams import EVENTS, POLL, ask, metric, poll, stream
from tests.support.frames import handshake_head
from tests.support.gateway import Gateway, Start
from tests.support.peers import Ended, Message, Peer, Raw, Response, bystander, client_sockets, http
from tests.support.tokens import GUARDED, token

OTHER = {"x_forwarded_for": "9.9.9.9"}
"""Another client behind the same proxy."""


def websocket(gateway: Gateway, **headers: str | None) -> Peer:
    """A client."""
    return Peer.connect(gateway.port, **headers)


LONG: dict[str, Callable[..., AbstractContextManager[Any]]] = {"stream": stream, "poll": poll, "websocket": websocket}


def refused(gateway: Gateway, path: str, **headers: str) -> Response:
    """What a stream or a poll gets that is one too many. A stream is told to reconnect: an `EventSource` that gets
    503 never comes back."""
    response = http(gateway.port, "GET", path, **headers)
    if path == EVENTS:
        check_told_to_reconnect(response, "too_many_connections")
        return response
    assert (response.status, response.code, response.headers["retry-after"]) == (503, "too_many_connections", "1")
    return response


def check_told_to_reconnect(response: Response, reason: str) -> None:
    """A stream of one event, after which an `EventSource` waits, and comes back."""
    assert response.status == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    retry, event, data, *rest = response.body.decode().split("\n")
    assert (event, rest) == ("event: reconnect", ["", ""])
    after_ms = int(retry.removeprefix("retry: "))
    assert 2000 <= after_ms <= 10_000
    assert json.loads(data.removeprefix("data: ")) == {"type": "reconnect", "reason": reason, "after_ms": after_ms}


@pytest.mark.parametrize("first", LONG)
def test_streams_polls_and_sockets_of_one_address_are_limited_together(start: Start, first: str) -> None:
    with start(CONNECTIONS_PER_ADDRESS="1", TRUSTED_PROXY_HOPS="1") as gateway:
        mine = {"x_forwarded_for": "1.1.1.1"}
        with bystander(gateway.port, OTHER) as witness, LONG[first](gateway, **mine):
            refused(gateway, EVENTS, **mine)
            refused(gateway, POLL, **mine)
            with Raw(gateway.port) as raw:
                raw.send(handshake_head(**mine))
                assert raw.response().code == "too_many_connections"
            with stream(gateway, x_forwarded_for="2.2.2.2"):
                assert witness.request("ping")["type"] == "pong"
            assert metric(gateway, 'streams_refused_total{code="too_many_connections"}') == 2
        gateway.until(lambda: metric(gateway, "streams") == 0)
        for long in LONG.values():
            with long(gateway, **mine):
                pass
            gateway.until(lambda: metric(gateway, "streams") + metric(gateway, "connections") == 0)


@pytest.mark.parametrize("first", LONG)
def test_streams_polls_and_sockets_of_one_user_are_limited_together(start: Start, first: str) -> None:
    with start(**GUARDED, CONNECTIONS_PER_USER="1") as gateway:
        mine, other = ({"authorization": f"Bearer {token(sub=user)}"} for user in ("alice", "bob"))
        with (
            bystander(gateway.port, other) as witness,
            LONG[first](gateway, **mine),
            Peer.connect(gateway.port) as late,
        ):
            refused(gateway, EVENTS, **mine)
            refused(gateway, POLL, **mine)
            assert late.request("authenticate", token=token(sub="alice"))["code"] == "too_many_connections"
            assert witness.request("ping")["type"] == "pong"
        gateway.until(lambda: metric(gateway, "streams") + metric(gateway, "connections") == 0)
        with stream(gateway, **mine):
            pass


def test_a_poll_whose_client_hangs_up_ends_and_a_flood_of_them_leaves_nothing(start: Start) -> None:
    with start() as gateway, bystander(gateway.port, {}) as witness:
        for _ in range(5):
            with ExitStack() as stack:
                for _ in range(100):
                    raw = stack.enter_context(Raw(gateway.port))
                    ask(raw, POLL)
                gateway.until(lambda: metric(gateway, "streams") == 100)
                assert witness.request("ping")["type"] == "pong"
            gateway.until(lambda: metric(gateway, "streams") == 0)
        gateway.until(lambda: client_sockets(gateway) == 1)


@pytest.mark.parametrize("path", [EVENTS, POLL])
@pytest.mark.parametrize("behind", [b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n", handshake_head()])
def test_a_place_is_given_back_although_other_requests_wait_behind_it(start: Start, path: str, behind: bytes) -> None:
    with start(SLOW_CLIENT_TIMEOUT_S="1") as gateway:
        with Raw(gateway.port) as raw:
            ask(raw, path)
            gateway.until(lambda: metric(gateway, "streams") == 1)
            raw.send(behind)
        gateway.until(lambda: metric(gateway, "streams") == 0)
        gateway.until(lambda: client_sockets(gateway) == 0)


def test_a_poll_that_is_answered_gives_its_place_back(start: Start) -> None:
    with start(CONNECTIONS_PER_ADDRESS="1") as gateway:
        for offset in (1, 2, 3):
            with Raw(gateway.port) as raw:
                ask(raw, POLL.replace("after=0", f"after={offset - 1}"))
                gateway.until(lambda: metric(gateway, "streams") == 1)
                http(gateway.port, "POST", "/api/v1/projects/team-a/messages", b'{"n":%d}' % offset)
                page: Message = raw.response().json()
                assert [message["n"] for message in page["messages"]] == [offset]
            gateway.until(lambda: metric(gateway, "streams") == 0)


def test_near_the_memory_limit_streams_are_refused_and_short_requests_answered(start: Start) -> None:
    with start(MEMORY_LIMIT_BYTES="1000000") as gateway:
        refused(gateway, EVENTS)
        refused(gateway, POLL)
        assert http(gateway.port, "GET", POLL.removesuffix("&wait=60")).status == 200
        assert http(gateway.port, "GET", "/health").body == b"OK"


def test_a_node_with_as_many_requests_as_it_can_serve_tells_a_stream_to_reconnect(start: Start) -> None:
    """Also a page of another origin may read that: its `EventSource` would close for good otherwise."""
    page = {"origin": "https://app.example.com"}
    with start(MAX_CONNECTIONS="1", ALLOWED_ORIGINS=page["origin"]) as gateway, poll_that_is_last(gateway):
        response = http(gateway.port, "GET", EVENTS, **page)
        check_told_to_reconnect(response, "too_many_connections")
        assert response.headers["access-control-allow-origin"] == page["origin"]
        assert http(gateway.port, "GET", POLL).status == 503
        for _ in range(3):  # it takes no place
            check_told_to_reconnect(http(gateway.port, "GET", EVENTS), "too_many_connections")


@contextmanager
def poll_that_is_last(gateway: Gateway) -> Iterator[None]:
    """A poll that holds the only place for requests: nobody can ask for `/metrics` meanwhile."""
    with Raw(gateway.port) as raw:
        ask(raw, POLL)
        gateway.until(lambda: http(gateway.port, "GET", "/health").status == 503)
        yield


def test_a_stream_whose_project_is_one_too_many_is_told_to_reconnect(start: Start) -> None:
    with start(MAX_PROJECTS="1") as gateway, websocket(gateway) as peer:
        assert peer.request("subscribe", project_id="other")["type"] == "subscription_confirmed"
        check_told_to_reconnect(http(gateway.port, "GET", EVENTS), "too_many_projects")


@pytest.mark.parametrize("path", [EVENTS, POLL, "/api/v1/projects/team-a/messages"])
def test_head_is_answered_at_once_and_takes_no_place(start: Start, path: str) -> None:
    with start(CONNECTIONS_PER_ADDRESS="1") as gateway, Raw(gateway.port) as raw:
        for _ in range(3):
            raw.send(f"HEAD {path} HTTP/1.1\r\nHost: gateway.example\r\n\r\n".encode())
            head = raw.read_until(b"\r\n\r\n").lower()
            assert head.startswith(b"http/1.1 200 ")
            assert b"\r\ncontent-length:" not in head
            assert b"\r\ntransfer-encoding:" not in head
            assert (b"\r\ncontent-type: text/event-stream" in head) == (path == EVENTS)
        raw.send(b"GET /health HTTP/1.1\r\nHost: gateway.example\r\n\r\n")  # the connection is still in step
        assert raw.response().body == b"OK"
        assert metric(gateway, "streams") == 0


@pytest.mark.parametrize(
    "refused_head",
    [
        b"HEAD /health HTTP/1.1\r\n\r\n",
        b"HEAD /health HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000,
        b"HEAD /health HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        handshake_head().replace(b"GET", b"HEAD", 1),
    ],
    ids=["no host", "too large", "no length", "handshake"],
)
@pytest.mark.parametrize("before", [b"", b"HEAD /health HTTP/1.1\r\nHost: a\r\n\r\n"], ids=["first", "later"])
def test_a_refusal_of_head_has_no_body(open_gateway: Gateway, before: bytes, refused_head: bytes) -> None:
    """RFC 9110 section 9.3.2. The length is that of the answer to GET."""
    with Raw(open_gateway.port) as raw:
        raw.send(before + refused_head)
        if before:
            assert raw.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        answer = raw.read_until(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 4")
        assert b"\r\nConnection: close" in answer
        assert b"\r\nContent-Length: 0\r\n" not in answer
        with pytest.raises(Ended):
            raw.read(1)


@pytest.mark.parametrize("path", [EVENTS, POLL])
def test_head_is_judged_like_get(start: Start, path: str) -> None:
    with start(**GUARDED) as gateway:
        for headers, status in (
            ({}, 401),
            ({"authorization": f"Bearer {token(projects=['other'])}"}, 403),
            ({"authorization": f"Bearer {token()}"}, 200),
        ):
            with Raw(gateway.port) as raw:
                lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                raw.send(f"HEAD {path} HTTP/1.1\r\nHost: gateway.example\r\n{lines}\r\n".encode())
                assert raw.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 %d " % status)


def old(path: str, more: str = "") -> bytes:
    """A request of HTTP/1.0."""
    return f"GET {path} HTTP/1.0\r\nHost: gateway.example\r\n{more}\r\n".encode()


def test_a_stream_to_a_client_of_http_1_0_is_not_chunked(start: Start) -> None:
    with start(DRAIN_SECONDS="60") as gateway, Raw(gateway.port) as raw:
        raw.send(old(EVENTS, "Connection: keep-alive\r\n"))
        head = raw.read_until(b"\r\n\r\n").lower()
        assert b"\r\ntransfer-encoding:" not in head
        assert b"\r\nconnection: close\r\n" in head
        assert raw.read_until(b"}\n\n").startswith(b"retry: 2000\nevent: subscription_confirmed\n")
        http(gateway.port, "POST", "/api/v1/projects/team-a/messages", b'{"n":1}')
        assert raw.read_until(b"}\n\n").startswith(b"id: ")
        gateway.ask_to_stop()
        assert b"\n\nevent: reconnect\n" in raw.read_until(b"}\n\n")
        assert raw.is_ended()


def test_other_answers_to_http_1_0_have_their_length_and_no_100_comes_before(start: Start) -> None:
    with start() as gateway:
        for path in ("/health", "/metrics", POLL.removesuffix("&wait=60"), "/nothing", "/"):
            with Raw(gateway.port) as raw:
                raw.send(old(path, "Expect: 100-continue\r\nContent-Length: 0\r\n"))
                response = raw.response()
                assert response.status in (200, 404)
                assert len(response.body) == int(response.headers["content-length"])
                assert "transfer-encoding" not in response.headers
                assert raw.is_ended()


@pytest.mark.parametrize(
    "last_id", ["42", "", "0", "a:b", "x:-1", "f9Zx1:18446744073709551616", "\xe9", "a b", "1:1, 2:2"]
)
def test_an_event_id_that_is_not_ours_begins_anew_and_says_so(start: Start, last_id: str) -> None:
    with start() as gateway:
        for number in (1, 2):
            http(gateway.port, "POST", "/api/v1/projects/team-a/messages", b'{"n":%d}' % number)
        with Raw(gateway.port) as raw:
            ask(raw, EVENTS, last_event_id=last_id)
            assert raw.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
            if not last_id:  # there was no event yet
                raw.read_until(b'"offset":2,"recovered":true}\n\n')
                return
            raw.read_until(b'"offset":0,"recovered":false}\n\n')
            raw.read_until(b'{"n":1,"project_id":"team-a","offset":1')
            raw.read_until(b'{"n":2,"project_id":"team-a","offset":2')
