"""Task scale-in protection by the ECS agent's endpoint (Amazon ECS developer guide, "Amazon ECS task scale-in
protection endpoint").

The agent calls `ecs:UpdateTaskProtection` for a PUT and `ecs:GetTaskProtection` for a GET, with the task role's rights.
"""

import json
from typing import Final
from urllib.parse import urlsplit

from websocket_handler.adapters.aws.ecs_agent import ask_agent
from websocket_handler.adapters.aws.http_connections import Answer
from websocket_handler.ports.task_protection import ProtectionUnavailable

TIMEOUT_S: Final = 5.0
"""The agent waits four seconds for ECS, and then answers with an error."""
PATH: Final = "/task-protection/v1/state"


class EcsTaskProtection:
    """See the port. `agent_uri` is the value of `ECS_AGENT_URI`, which only the ECS agent sets."""

    name = "ecs task protection"

    def __init__(self, agent_uri: str, timeout_s: float = TIMEOUT_S) -> None:
        self._agent_uri = agent_uri
        self._timeout_s = timeout_s

    async def protect(self, minutes: int) -> None:
        if not await self._ask("PUT", {"ProtectionEnabled": True, "ExpiresInMinutes": minutes}):
            raise ProtectionUnavailable("the task is not protected, although that was asked for")

    async def release(self) -> None:
        if await self._ask("PUT", {"ProtectionEnabled": False}):
            raise ProtectionUnavailable("the task is still protected, although its release was asked for")

    async def is_protected(self) -> bool:
        return await self._ask("GET", None)

    async def _ask(self, method: str, wanted: dict[str, object] | None) -> bool:
        if urlsplit(self._agent_uri).scheme != "http":
            raise ProtectionUnavailable("ECS_AGENT_URI is no http address: this is no task of ECS")
        body = b"" if wanted is None else json.dumps(wanted).encode()
        try:
            return _is_enabled(await ask_agent(method, self._agent_uri.rstrip("/") + PATH, self._timeout_s, body))
        except TimeoutError:
            raise ProtectionUnavailable(f"the ECS agent did not answer within {self._timeout_s:g} s") from None
        except (OSError, ValueError, KeyError, TypeError) as fault:
            raise ProtectionUnavailable(f"{type(fault).__name__}: {fault}") from fault


def _is_enabled(answer: Answer) -> bool:
    """What the agent says. ECS's own refusal, such as `DEPLOYMENT_BLOCKED`, comes with the status 200."""
    said = json.loads(answer.body)
    for kind, name, more in (("failure", "Reason", "Detail"), ("error", "Code", "Message")):
        if kind in said:
            raise ProtectionUnavailable(f"{said[kind][name]}: {said[kind].get(more) or 'no reason given'}")
    if answer.status != 200:
        raise ProtectionUnavailable(f"the ECS agent answered with the status {answer.status}")
    enabled = said["protection"]["ProtectionEnabled"]
    if not isinstance(enabled, bool):
        raise TypeError("ProtectionEnabled is neither true nor false")
    return enabled
