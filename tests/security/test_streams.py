"""Event streams and polls that wait take places like WebSockets: limited per address and per user, counted, given
back, also by who hangs up without a word."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest

from tests.security.streams import EVENTS, POLL, ask, metric, poll, stream
from tests.support.frames import handshake_head
from tests.support.gateway import Gateway, Start
from tests.support.peers import Message, Peer, Raw, Response, bystander, client_sockets, http
from tests.support.tokens import GUARDED, token

OTHER = {"x_forwarded_for": "9.9.9.9"}
"""Another client behind the same proxy."""


def websocket(gateway: Gateway, **headers: str | None) -> Peer:
    """A client."""
    return Peer.connect(gateway.port, **headers)


LONG: dict[str, Callable[..., AbstractContextManager[Any]]] = {"stream": stream, "poll": poll, "websocket": websocket}


def refused(gateway: Gateway, path: str, **headers: str) -> Response:
    """What a stream or a poll gets that is one too many."""
    response = http(gateway.port, "GET", path, **headers)
    assert (response.status, response.code, response.headers["retry-after"]) == (503, "too_many_connections", "1")
    return response


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
