"""Tokens that end, are refreshed, revoked, or turn out to be somebody else's, while the connection lives."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import pytest

from tests.support.frames import handshake_head
from tests.support.gateway import Gateway
from tests.support.peers import Ended, Peer, Raw, http
from tests.support.tokens import bearer, token

Answer = TypeVar("Answer")
LIVES_S = (2, 8, 30, 120)
"""How long a token lives that ends during the test. It must live until the gateway has read it, and how long that takes
is the machine's affair: the next one is tried where it took too long."""


def as_user(gateway: Gateway, path: str = "/ws", **changes: Any) -> Peer:
    return Peer.connect(gateway.port, path, authorization=f"Bearer {token(**changes)}")


def in_time(attempt: Callable[[int], Answer]) -> Answer:
    """What an attempt gives that is told when its token ends. One that fails came too late, and is made again with a
    token that lives longer."""
    for life_s in LIVES_S[:-1]:
        with suppress(AssertionError, Ended):
            return attempt(int(time.time()) + life_s)
    return attempt(int(time.time()) + LIVES_S[-1])


@pytest.mark.usefixtures("witness")
def test_an_expired_token_ends_the_connection_with_its_own_code(guarded: Gateway) -> None:
    """That it does so to the second is a test in virtual time: `tests/unit/access/test_expiry.py`."""
    with in_time(lambda end: as_user(guarded, exp=end)) as peer:
        assert peer.next()["type"] == "token_expiring"
        assert peer.end_at_once() == 4002


@pytest.mark.usefixtures("witness")
def test_a_refresh_keeps_the_connection_beyond_the_first_token(guarded: Gateway) -> None:
    def refreshed(end: int) -> Peer:
        peer = as_user(guarded, exp=end)
        assert peer.request("authenticate", token=token())["type"] == "authenticated"
        return peer

    with in_time(refreshed) as peer, in_time(lambda end: as_user(guarded, exp=end)) as other:
        assert other.ended().code == 4002  # its token was made later than the first one
        assert peer.request("ping")["type"] == "pong"


@pytest.mark.usefixtures("witness")
def test_a_refresh_with_another_users_token_is_an_error_and_the_old_rights_are_gone(guarded: Gateway) -> None:
    with as_user(guarded, "/ws?project_id=proj-open") as peer:
        assert peer.next()["type"] == "subscription_confirmed"
        assert peer.request("authenticate", token=token(sub="eve"))["code"] == "unauthorized"
        http(guarded.port, "POST", "/api/v1/projects/proj-open/messages", b'{"late":1}', **bearer(sub="root"))
        assert peer.end_at_once() == 4501


@pytest.mark.usefixtures("witness")
def test_a_refresh_with_an_invalid_token_changes_nothing(guarded: Gateway) -> None:
    with as_user(guarded) as peer:
        for bad in (token(exp=1_000_000_000), token()[:-4], "x"):
            assert peer.request("authenticate", token=bad)["code"] == "unauthorized"
        assert peer.request("presence", project_id="proj-open")["type"] == "presence"


@pytest.mark.usefixtures("witness")
def test_a_refresh_with_fewer_rights_lets_go_of_what_is_no_longer_permitted(guarded: Gateway) -> None:
    with as_user(guarded, "/ws?project_id=proj-open&project_id=team-a", sub="narrow") as peer:
        assert [peer.next()["type"] for _ in range(2)] == ["subscription_confirmed"] * 2
        assert peer.request("authenticate", token=token(sub="narrow", projects=["team-a"]))["type"] == "authenticated"
        assert peer.next() == {"type": "unsubscription_confirmed", "project_id": "proj-open"}
        http(guarded.port, "POST", "/api/v1/projects/proj-open/messages", b'{"n":1}', **bearer(sub="root"))
        http(guarded.port, "POST", "/api/v1/projects/team-a/messages", b'{"n":2}', **bearer(sub="root"))
        assert peer.next()["project_id"] == "team-a"
        assert peer.nothing_is_left()


@pytest.mark.usefixtures("witness")
def test_a_revoked_user_is_cut_off_everywhere_and_stays_out_with_the_old_token(guarded: Gateway) -> None:
    old = token(sub="mallory", iat=int(time.time()) - 60)
    mine = {"authorization": f"Bearer {old}"}
    ticket = http(guarded.port, "POST", "/api/v1/tickets", **mine).json()["ticket"]
    with (
        Peer.connect(guarded.port, **mine) as first,
        Peer.connect(guarded.port, **mine) as second,
        Raw(guarded.port) as stream,
    ):
        request = f"GET /api/v1/projects/proj-open/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {old}\r\n\r\n"
        stream.send(request.encode())
        stream.read_until(b"subscription_confirmed")
        answer = http(guarded.port, "POST", "/api/v1/users/mallory/disconnect", **bearer(sub="root"))
        assert answer.json() == {"type": "user_disconnected", "connections": 2}
        assert (first.end_at_once(), second.end_at_once()) == (4500, 4500)
        stream.read_until(b"0\r\n\r\n")  # the stream's own end
    assert http(guarded.port, "POST", "/api/v1/tickets", **mine).code == "unauthorized"
    with Raw(guarded.port) as raw:
        raw.send(handshake_head(f"/ws?ticket={ticket}"))
        assert raw.response().code == "unauthorized"
    with as_user(guarded, sub="mallory", iat=int(time.time()) + 2) as again:
        assert again.request("ping")["type"] == "pong"


@pytest.mark.usefixtures("witness")
def test_an_operator_ends_one_connection_by_its_id(guarded: Gateway) -> None:
    with as_user(guarded, sub="target") as peer:
        path = f"/api/v1/connections/{peer.greeting['connection_id']}"
        listed = http(guarded.port, "GET", "/api/v1/connections?limit=1000", **bearer(sub="root")).json()["connections"]
        mine = [entry for entry in listed if entry["connection_id"] == peer.greeting["connection_id"]]
        assert mine[0]["user_id"] == "target"
        assert http(guarded.port, "DELETE", path, **bearer(sub="root")).status == 204
        assert peer.end_at_once() == 4500
        assert http(guarded.port, "DELETE", path, **bearer(sub="root")).status == 404


@pytest.mark.usefixtures("witness")
def test_an_event_stream_ends_when_its_token_does(guarded: Gateway) -> None:
    def streaming(end: int) -> tuple[Raw, int]:
        raw = Raw(guarded.port)
        head = f"GET /api/v1/projects/proj-open/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token(exp=end)}"
        raw.send(f"{head}\r\n\r\n".encode())
        assert raw.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        return raw, end

    raw, end = in_time(streaming)
    with raw:
        raw.read_until(b"0\r\n\r\n")
        assert time.time() >= end


@pytest.mark.usefixtures("witness")
def test_a_long_poll_does_not_outlive_its_token(guarded: Gateway) -> None:
    path = "/api/v1/projects/team-quiet/messages?wait=60"
    response = http(guarded.port, "GET", path, authorization=f"Bearer {token(exp=int(time.time()) + 2)}")
    assert (response.status, response.code) == (401, "unauthorized")
