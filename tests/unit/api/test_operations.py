"""What operators and load balancers ask of the node itself."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.doubles import client_of
from tests.support.http_api import Api, KnownTokens, bearer, client_on, known
from tests.support.virtual_time import in_virtual_time
from websocket_handler.access.credentials import Credential, Kind
from websocket_handler.api.operations import CONNECTIONS_LISTED_MAX
from websocket_handler.delivery.readiness import Readiness
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.protocol.codes import CloseCode

CONNECTIONS = "/api/v1/connections"
TOKENS = {"admin": known("root"), "ada": known("ada", "p")}


@in_virtual_time
async def test_a_node_that_answers_is_alive_even_if_it_is_not_ready() -> None:
    api = Api()
    api.core.server.refuse_newcomers()
    answer = await api.ask("GET", "/health")
    assert (answer.status, answer.body, answer.headers["cache-control"]) == (200, b"OK", "no-store")
    assert answer.headers["content-type"].startswith("text/plain")
    assert (await api.ask("GET", "/ready")).status == 503


@in_virtual_time
async def test_readiness_names_each_dependency_that_is_down_and_why() -> None:
    api, faults = Api(), dict[str, str]()
    readiness = Readiness(lambda: False, {name: lambda name=name: faults.get(name) for name in ("store", "queue")})  # type: ignore[misc]
    object.__setattr__(api.gateway, "readiness", readiness)
    answer = await api.ask("GET", "/ready")
    assert (answer.status, answer.json) == (200, {"status": "ready", "reasons": []})
    faults["queue"] = 'it said "no"'
    answer = await api.ask("GET", "/ready")
    reason = {"dependency": "queue", "reason": 'it said "no"'}
    assert (answer.status, answer.json) == (503, {"status": "not_ready", "reasons": [reason]})


@in_virtual_time
async def test_metrics_are_prometheus_text() -> None:
    answer = await Api().ask("GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")


@in_virtual_time
async def test_connections_are_listed_with_what_an_operator_needs() -> None:
    api = Api()
    ada = client_on(api.core, known("ada"), "p", "q")
    client_on(api.core)
    answer = await api.ask("GET", CONNECTIONS)
    listed = {one["connection_id"]: one for one in answer.json["connections"]}
    assert answer.json["count"] == len(listed) == 2
    assert listed[ada.connection_id] == {
        "connection_id": ada.connection_id,
        "connected_at": api.gateway.clock.text(ada.connected_at),
        "user_id": "ada",
        "expires_at": api.gateway.clock.text(4e9),
        "projects": ["p", "q"],
    }
    (anonymous,) = [one for name, one in listed.items() if name != ada.connection_id]
    assert anonymous.keys() == {"connection_id", "connected_at", "projects"}


@in_virtual_time
async def test_connections_come_in_pages_of_their_ids() -> None:
    api = Api()
    ids = sorted(client_on(api.core).connection_id for _ in range(5))
    seen: list[str] = []
    for _ in range(3):
        after = f"&after={seen[-1]}" if seen else ""
        answer = await api.ask("GET", f"{CONNECTIONS}?limit=2{after}")
        seen += [one["connection_id"] for one in answer.json["connections"]]
        assert answer.json["count"] == 5
    assert seen == ids
    gone = await api.ask("GET", f"{CONNECTIONS}?after={ids[2]}-gone")
    assert [one["connection_id"] for one in gone.json["connections"]] == ids[3:], "one that has left keeps its place"


@in_virtual_time
async def test_a_page_has_at_most_its_maximum() -> None:
    api = Api(delivery=DeliveryLimits(connections=CONNECTIONS_LISTED_MAX + 1))
    for _ in range(CONNECTIONS_LISTED_MAX + 1):
        client_on(api.core)
    answer = await api.ask("GET", f"{CONNECTIONS}?limit=9999")
    assert len(answer.json["connections"]) == CONNECTIONS_LISTED_MAX
    assert answer.json["count"] == CONNECTIONS_LISTED_MAX + 1


@pytest.mark.parametrize("after", ["", "a" * 65, "a/b", "%C3%A9", "a%0A"])
@in_virtual_time
async def test_a_place_that_is_no_id_is_refused(after: str) -> None:
    answer = await Api().ask("GET", f"{CONNECTIONS}?after={after}")
    assert (answer.status, answer.code) == (400, "invalid_field")
    assert (await Api().ask("GET", f"{CONNECTIONS}?after={'a' * 64}")).status == 200


@in_virtual_time
async def test_one_connection_is_closed_for_good_and_the_others_stay() -> None:
    api = Api()
    one, other = client_on(api.core), client_on(api.core)
    answer = await api.ask("DELETE", f"{CONNECTIONS}/{one.connection_id}")
    assert (answer.status, answer.body) == (204, b"")
    assert client_of(one).closed == (CloseCode.DISCONNECTED, "disconnected by an operator")
    assert client_of(other).closed is None
    missing = await api.ask("DELETE", f"{CONNECTIONS}/absent")
    assert (missing.status, missing.code) == (404, "not_found")


@in_virtual_time
async def test_a_user_is_disconnected_everywhere_and_the_old_token_is_taken_no_more() -> None:
    api = Api(tokens=KnownTokens(**TOKENS))
    mine = [client_on(api.core, TOKENS["ada"]) for _ in range(2)]
    other = client_on(api.core, TOKENS["admin"])
    answer = await api.ask("POST", "/api/v1/users/ada/disconnect", authorization=bearer("admin"))
    assert answer.json == {"type": "user_disconnected", "connections": 2}
    assert [client_of(one).closed is not None for one in (*mine, other)] == [True, True, False]
    assert (await api.ask("POST", "/api/v1/tickets", authorization=bearer("ada"))).status == 401


@in_virtual_time
async def test_a_node_is_drained_by_its_name_and_no_other_one() -> None:
    api = Api()
    leaving = asyncio.create_task(api.core.control.until_asked_to_leave())
    for absent in ("nobody", "n" * 257):
        answer = await api.ask("POST", f"/api/v1/nodes/{absent}/drain")
        assert (answer.status, answer.code) == (404, "not_found")
    assert not leaving.done()
    name = "node"
    answer = await api.ask("POST", f"/api/v1/nodes/{name}/drain")
    assert answer.json == {"type": "drain_begun", "node_id": name}
    await leaving


@pytest.mark.parametrize("user_id", ["a" * 129, "a%20b", "%C3%A9"])
@in_virtual_time
async def test_what_is_no_user_id_is_refused(user_id: str) -> None:
    answer = await Api().ask("POST", f"/api/v1/users/{user_id}/disconnect")
    assert (answer.status, answer.code) == (400, "invalid_field")
    assert (await Api().ask("POST", f"/api/v1/users/{'a' * 128}/disconnect")).status == 200


@in_virtual_time
async def test_a_ticket_stands_for_whoever_asked_for_it() -> None:
    api = Api(tokens=KnownTokens(**TOKENS))
    answer = await api.ask("POST", "/api/v1/tickets", authorization=bearer("ada"))
    made: dict[str, Any] = json.loads(answer.body)
    assert made["expires_in_s"] == 30
    answers: list[object] = []
    for _ in range(2):
        api.gateway.access.identify([Credential(Kind.TICKET, made["ticket"])], answers.append)
    assert answers[0] == TOKENS["ada"]
    assert answers[1] != TOKENS["ada"], "once"


@pytest.mark.parametrize("seconds", ["", "0", "3601", "1.5", "-1", "x", "%C2%B2"])
@in_virtual_time
async def test_rebalancing_takes_a_second_to_an_hour(seconds: str) -> None:
    answer = await Api().ask("POST", f"/api/v1/rebalance?seconds={seconds}")
    assert (answer.status, answer.code) == (400, "invalid_field")


@in_virtual_time
async def test_rebalancing_is_accepted_with_its_time() -> None:
    for query, seconds in (("", 60), ("?seconds=1", 1), ("?seconds=3600", 3600)):
        answer = await Api().ask("POST", f"/api/v1/rebalance{query}")
        assert (answer.status, answer.json) == (202, {"type": "rebalance_requested", "seconds": seconds})
