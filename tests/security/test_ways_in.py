"""How a client says who it is, and what happens when it does not, or does so twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.frames import client_frame as frame
from tests.support.frames import handshake_head, text_frame
from tests.support.gateway import Gateway, Start
from tests.support.peers import Peer, Raw, http
from tests.support.tokens import GUARDED, bearer, token

pytestmark = pytest.mark.usefixtures("witness")

URL = "/ws?project_id=proj-open"


def refusal(gateway: Gateway, path: str = "/ws", **headers: str | None) -> tuple[int, str, str]:
    """Status, error code and challenge of a handshake that is refused; the gateway hangs up after it."""
    with Raw(gateway.port) as raw:
        raw.send(handshake_head(path, **headers))
        response = raw.response()
        assert raw.is_ended()
    return response.status, response.code, response.headers.get("www-authenticate", "")


UNAUTHORIZED = (401, "unauthorized", "Bearer")


def works(peer: Peer) -> bool:
    """True if the URL's subscription was confirmed at once."""
    return bool(peer.next()["type"] == "subscription_confirmed")


def test_a_bearer_token_in_the_authorization_header_is_taken(guarded: Gateway) -> None:
    with Peer.connect(guarded.port, URL, authorization=f"Bearer {token()}") as peer:
        assert works(peer)


def test_a_token_beside_the_subprotocol_bearer_is_taken_and_only_bearer_is_echoed(guarded: Gateway) -> None:
    with Raw(guarded.port) as raw:
        raw.send(handshake_head(URL, sec_websocket_protocol=f"bearer, {token()}"))
        response = raw.response()
        assert response.status == 101
        assert response.headers["sec-websocket-protocol"] == "bearer"
        assert raw.frame()[0] == 1


def test_without_an_offer_no_subprotocol_is_selected(guarded: Gateway) -> None:
    with Raw(guarded.port) as raw:
        raw.send(handshake_head(URL, authorization=f"Bearer {token()}", sec_websocket_protocol="chat"))
        assert "sec-websocket-protocol" not in raw.response().headers


def ticket(gateway: Gateway, **changes: Any) -> str:
    """A fresh ticket."""
    response = http(gateway.port, "POST", "/api/v1/tickets", authorization=f"Bearer {token(**changes)}")
    assert response.status == 200
    assert response.json()["expires_in_s"] == 30
    return str(response.json()["ticket"])


def test_a_ticket_is_good_for_one_handshake(guarded: Gateway) -> None:
    once = ticket(guarded)
    with Peer.connect(guarded.port, f"{URL}&ticket={once}") as peer:
        assert works(peer)
    assert refusal(guarded, f"{URL}&ticket={once}") == UNAUTHORIZED


def test_a_ticket_has_the_rights_of_its_token_and_no_others(guarded: Gateway) -> None:
    narrow = ticket(guarded, rights=["subscribe"])
    with Peer.connect(guarded.port, f"/ws?ticket={narrow}") as peer:
        assert peer.request("publish", project_id="proj-open", message={})["code"] == "forbidden"


def test_a_user_with_many_tickets_loses_the_oldest(guarded: Gateway) -> None:
    tickets = [ticket(guarded, sub="collector") for _ in range(17)]
    assert refusal(guarded, f"/ws?ticket={tickets[0]}") == UNAUTHORIZED
    with Peer.connect(guarded.port, f"/ws?ticket={tickets[-1]}"):
        pass


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: ("/ws", {"authorization": "Bearer "}),
        lambda: ("/ws", {"authorization": "Bearer nonsense"}),
        lambda: ("/ws", {"authorization": "Basic YWRhOnNlY3JldA=="}),
        lambda: ("/ws", {"authorization": f"Bearer {token()}, Bearer {token()}"}),
        lambda: ("/ws", bearer(exp=1_000_000_000)),
        lambda: ("/ws", {"sec_websocket_protocol": "bearer, nonsense"}),
        lambda: ("/ws?ticket=", {}),
        lambda: ("/ws?ticket=guess", {}),
        lambda: (f"/ws?access_token={token()}", {}),
    ],
    ids=["empty", "nonsense", "basic", "two in one", "expired", "protocol", "no ticket", "guessed", "token in query"],
)  # fmt: skip
def test_a_bad_credential_is_refused_before_the_upgrade(
    guarded: Gateway, attempt: Callable[[], tuple[str, dict[str, str]]]
) -> None:
    path, headers = attempt()
    assert refusal(guarded, path, **headers) == UNAUTHORIZED


def test_a_credential_in_two_places_is_refused_although_both_are_valid(guarded: Gateway) -> None:
    header, protocol = f"Bearer {token()}", f"bearer, {token()}"
    assert refusal(guarded, authorization=header, sec_websocket_protocol=protocol) == UNAUTHORIZED
    assert refusal(guarded, f"/ws?ticket={ticket(guarded)}", authorization=header) == UNAUTHORIZED
    assert refusal(guarded, f"/ws?ticket={ticket(guarded)}&ticket={ticket(guarded)}") == UNAUTHORIZED
    doubled = handshake_head(authorization=header).replace(b"\r\n\r\n", f"\r\nAuthorization: {header}\r\n\r\n".encode())
    with Raw(guarded.port) as raw:
        raw.send(doubled)
        assert raw.response().status == 401


def test_a_token_in_the_query_is_taken_where_the_operator_allows_it(start: Start) -> None:
    with start(**GUARDED, ALLOW_TOKEN_IN_QUERY="on") as gateway:  # noqa: S106, SIM117
        with Peer.connect(gateway.port, f"{URL}&access_token={token()}") as peer:
            assert works(peer)


# First-message authentication


def test_without_a_credential_only_ping_and_authenticate_work(guarded: Gateway) -> None:
    with Peer.connect(guarded.port) as peer:
        assert peer.request("ping")["type"] == "pong"
        for command in (
            {"action": "subscribe", "project_id": "proj-open"},
            {"action": "unsubscribe", "project_id": "proj-open"},
            {"action": "history", "project_id": "proj-open"},
            {"action": "presence", "project_id": "proj-open"},
            {"action": "publish", "project_id": "proj-open", "message": {}},
            {"action": "forward", "type": "dev", "data": {}},
        ):
            error = peer.ask(json.dumps(command))
            assert (error["type"], error["code"]) == ("error", "unauthorized"), error


def test_url_subscriptions_wait_until_the_first_message_authenticates(guarded: Gateway) -> None:
    with Peer.connect(guarded.port, URL) as peer:
        assert peer.nothing_is_left()
        reply = peer.request("authenticate", token=token())
        assert reply["type"] == "authenticated"
        assert reply["user_id"] == "ada"
        assert works(peer)


def test_who_never_authenticates_is_closed_and_gets_no_broadcast_before(guarded: Gateway, hasty: Gateway) -> None:
    with Peer.connect(guarded.port) as silent:
        body = b'{"type":"notice"}'
        answer = http(guarded.port, "POST", "/api/v1/broadcast", body, authorization=f"Bearer {token()}")
        assert answer.status == 200
        assert silent.nothing_is_left()
    with Peer.connect(hasty.port) as silent:
        assert silent.end_at_once() == 4003


def test_pings_and_bad_tokens_do_not_extend_the_deadline(hasty: Gateway) -> None:
    commands = (b'{"action":"authenticate","token":"x"}', b'{"action":"ping"}')
    with Raw(hasty.port) as raw:
        raw.send(handshake_head() + b"".join(map(text_frame, commands)))  # however long the test takes, in time
        assert raw.response().status == 101
        peer = Peer(raw)
        assert [peer.next().get("code", "") for _ in range(3)] == ["", "unauthorized", ""]
        assert peer.end_at_once() == 4003


def test_an_oversized_token_in_a_message_is_unauthorized_and_the_connection_stays(guarded: Gateway) -> None:
    with Peer.connect(guarded.port) as peer:
        assert peer.request("authenticate", token="x" * 60_000)["code"] == "unauthorized"
        assert peer.request("authenticate", token=token())["type"] == "authenticated"


def test_commands_in_one_packet_behind_authenticate_are_carried_out(guarded: Gateway) -> None:
    with Peer.connect(guarded.port) as peer:
        commands = (
            {"action": "authenticate", "token": token(), "id": "1"},
            {"action": "subscribe", "project_id": "proj-open", "id": "2"},
        )
        peer.raw.send(b"".join(frame(1, json.dumps(command).encode()) for command in commands))
        assert [peer.next()["type"] for _ in range(2)] == ["authenticated", "subscription_confirmed"]
