"""The route of the agents: who works on what, and who was heard when."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from websocket_handler.api.gateway import Gateway, json_response
from websocket_handler.delivery.agents_at_work import Task, agents_at_work


class AgentRoutes:
    """Answers what the agents do."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def list(self, _request: Request) -> Response:
        """GET agents: each agent with its open runs, in the projects that are open on this node."""
        gateway = self._gateway
        lease_s = gateway.node.limits.run_lease_s
        listed = [
            {
                "agent": each.agent,
                **({} if each.seen_at is None else {"seen_at": gateway.clock.text(each.seen_at)}),
                "count": each.count,
                "runs": [self._shown(task, lease_s) for task in each.tasks],
            }
            for each in agents_at_work(gateway.node)
        ]
        return json_response(msgspec.json.encode({"lease_s": lease_s, "agents": listed}))

    def _shown(self, task: Task, lease_s: float) -> dict[str, object]:
        shown: dict[str, object] = {
            "project_id": task.project_id,
            "run_id": task.run_id,
            "attempt": task.attempt,
            "state": task.state,
        }
        if task.heard_at is not None:
            shown["heard_at"] = self._gateway.clock.text(task.heard_at)
            if lease_s:
                shown["lease_ends_at"] = self._gateway.clock.text(task.heard_at + lease_s)
        return shown
