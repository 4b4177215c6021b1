"""The agents over HTTP: their runs, and until when each lease lasts."""

from tests.support.http_api import Api, KnownTokens, bearer, known
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.protocol.identity import ADMIN, RIGHTS

AGENTS = "/api/v1/agents"
STARTED = {"type": "RUN_STARTED", "threadId": "p", "runId": "r", "agent": "dev"}


@in_virtual_time
async def test_each_agent_is_listed_with_its_runs_and_their_leases() -> None:
    api = Api(delivery=DeliveryLimits(run_lease_s=60))
    api.core.server.send_to_project("p", STARTED)
    await settle()
    text, wall = api.gateway.clock.text, api.gateway.clock.wall()
    answer = await api.ask("GET", AGENTS)
    assert answer.status == 200
    run = {"project_id": "p", "run_id": "r", "attempt": 1, "state": "working"}
    run |= {"heard_at": text(wall), "lease_ends_at": text(wall + 60)}
    assert answer.json == {
        "lease_s": 60.0,
        "agents": [
            {"agent": "pm", "count": 0, "runs": []},
            {"agent": "dev", "seen_at": text(wall), "count": 1, "runs": [run]},
            {"agent": "qa", "count": 0, "runs": []},
            {"agent": "ops", "count": 0, "runs": []},
        ],
    }


@in_virtual_time
async def test_without_leases_none_ends() -> None:
    api = Api(delivery=DeliveryLimits(run_lease_s=0))
    api.core.server.send_to_project("p", STARTED)
    await settle()
    found = (await api.ask("GET", AGENTS)).json
    (run,) = found["agents"][1]["runs"]
    assert (found["lease_s"], "heard_at" in run, "lease_ends_at" in run) == (0, True, False)


@in_virtual_time
async def test_only_an_operator_may_look() -> None:
    ada = known("ada", rights=[right for right in RIGHTS if right != ADMIN])
    api = Api(tokens=KnownTokens(root=known("root"), ada=ada))
    assert (await api.ask("GET", AGENTS, authorization=bearer("ada"))).code == "forbidden"
    assert (await api.ask("GET", AGENTS, authorization=bearer("root"))).status == 200
