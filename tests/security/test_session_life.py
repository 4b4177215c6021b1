"""Tokens that end, are refreshed, revoked, or turn out to be somebody else's, while the connection lives."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support.gateway import Gateway
from tests.support.peers import Peer, Raw, http
from tests.support.tokens import token

ADMIN = {"authorization": f"Bearer {token(sub='root')}"}


def as_user(gateway: Gateway, path: str = "/ws", **changes: Any) -> Peer:
    return Peer.connect(gateway.port, path, authorization=f"Bearer {token(**changes)}")


@pytest.mark.usefixtures("witness")
def test_an_expired_token_ends_the_connection_with_its_own_code_within_five_seconds(guarded: Gateway) -> None:
    expires_at = int(time.time()) + 2
    with as_user(guarded, exp=expires_at) as peer:
        notice = peer.next()
        assert notice["type"] == "token_expiring"
        assert peer.ended().code == 4002
        assert time.time() - expires_at < 5


@pytest.mark.usefixtures("witness")
def test_a_refresh_keeps_the_connection_beyond_the_first_token(guarded: Gateway) -> None:
    expires_at = int(time.time()) + 2
    with as_user(guarded, "/ws?project_id=proj-open", exp=expires_at) as peer:
        assert peer.next()["type"] in ("subscription_confirmed", "token_expiring")
        reply = peer.request("authenticate", token=token(exp=int(time.time()) + 600))
        assert reply["type"] == "authenticated"
        with as_user(guarded, exp=expires_at + 1) as other:  # its end is later than the first token's
            assert other.ended().code == 4002
        assert peer.request("ping")["type"] == "pong"


@pytest.mark.usefixtures("witness")
def test_a_refresh_with_another_users_token_is_an_error_and_the_old_rights_are_gone(guarded: Gateway) -> None:
    with as_user(guarded, "/ws?project_id=proj-open") as peer:
        assert peer.next()["type"] == "subscription_confirmed"
        assert peer.request("authenticate", token=token(sub="eve"))["code"] == "unauthorized"
        http(guarded.port, "POST", "/api/v1/projects/proj-open/messages", b'{"late":1}', **ADMIN)
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
        http(guarded.port, "POST", "/api/v1/projects/proj-open/messages", b'{"n":1}', **ADMIN)
        http(guarded.port, "POST", "/api/v1/projects/team-a/messages", b'{"n":2}', **ADMIN)
        assert peer.next()["project_id"] == "team-a"
        assert peer.nothing_is_left()


@pytest.mark.usefixtures("witness")
def test_a_revoked_user_is_cut_off_everywhere_and_stays_out_with_the_old_token(guarded: Gateway) -> None:
    old = token(sub="mallory", iat=int(time.time()) - 60)
    bearer = {"authorization": f"Bearer {old}"}
    ticket = http(guarded.port, "POST", "/api/v1/tickets", **bearer).json()["ticket"]
    with (
        Peer.connect(guarded.port, **bearer) as first,
        Peer.connect(guarded.port, **bearer) as second,
        Raw(guarded.port) as stream,
    ):
        request = f"GET /api/v1/projects/proj-open/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {old}\r\n\r\n"
        stream.send(request.encode())
        stream.read_until(b"subscription_confirmed")
        answer = http(guarded.port, "POST", "/api/v1/users/mallory/disconnect", **ADMIN)
        assert answer.json() == {"type": "user_disconnected", "connections": 2}
        assert (first.end_at_once(), second.end_at_once()) == (4500, 4500)
        stream.read_until(b"0\r\n\r\n")  # the stream's own end
    assert http(guarded.port, "POST", "/api/v1/tickets", **bearer).code == "unauthorized"
    with Raw(guarded.port) as raw:
        raw.send(f"GET /ws?ticket={ticket} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n".encode())
        assert raw.response().status in (400, 401)
    with as_user(guarded, sub="mallory", iat=int(time.time()) + 2) as again:
        assert again.request("ping")["type"] == "pong"


@pytest.mark.usefixtures("witness")
def test_an_operator_ends_one_connection_by_its_id(guarded: Gateway) -> None:
    with as_user(guarded, sub="target") as peer:
        path = f"/api/v1/connections/{peer.greeting['connection_id']}"
        listed = http(guarded.port, "GET", "/api/v1/connections?limit=1000", **ADMIN).json()["connections"]
        mine = [entry for entry in listed if entry["connection_id"] == peer.greeting["connection_id"]]
        assert mine[0]["user_id"] == "target"
        assert http(guarded.port, "DELETE", path, **ADMIN).status == 204
        assert peer.end_at_once() == 4500
        assert http(guarded.port, "DELETE", path, **ADMIN).status == 404


@pytest.mark.usefixtures("witness")
def test_an_event_stream_ends_when_its_token_does(guarded: Gateway) -> None:
    expires_at = int(time.time()) + 2
    with Raw(guarded.port) as raw:
        bearer = token(exp=expires_at)
        request = f"GET /api/v1/projects/proj-open/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearer}\r\n\r\n"
        raw.send(request.encode())
        raw.read_until(b"0\r\n\r\n")
        assert 0 <= time.time() - expires_at < 5


@pytest.mark.usefixtures("witness")
def test_a_long_poll_does_not_outlive_its_token(guarded: Gateway) -> None:
    path = "/api/v1/projects/team-quiet/messages?wait=60"
    response = http(guarded.port, "GET", path, authorization=f"Bearer {token(exp=int(time.time()) + 2)}")
    assert (response.status, response.code) == (401, "unauthorized")
