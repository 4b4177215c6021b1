"""Task scale-in protection by the ECS agent's endpoint (Amazon ECS developer guide, "Amazon ECS task scale-in
protection endpoint").

The agent calls `ecs:UpdateTaskProtection` for a PUT and `ecs:GetTaskProtection` for a GET, with the task role's rights.
"""

import asyncio
import json
from typing import Final
from urllib.parse import urlsplit

from websocket_handler.adapters.aws.http_connections import Answer, ConnectionLimits, HttpConnections
from websocket_handler.ports.task_protection import ProtectionUnavailable

TIMEOUT_S: Final = 5.0
"""The agent waits four seconds for ECS, and then answers with an error."""
PATH: Final = "/task-protection/v1/state"
LIMITS: Final = ConnectionLimits(connections=1, connect_timeout_s=2.0, answer_bytes=65_536)


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
        """One request, on a new connection each time, because the requests are minutes apart."""
        try:
            parts = urlsplit(self._agent_uri)
            if parts.scheme != "http" or not parts.hostname:
                raise ProtectionUnavailable("ECS_AGENT_URI is no http address: this is no task of ECS")
            connections = HttpConnections(parts.hostname, parts.port or 80, None, LIMITS)
            body = b"" if wanted is None else json.dumps(wanted).encode()
            head = (
                f"{method} {parts.path.rstrip('/')}{PATH} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            try:
                async with asyncio.timeout(self._timeout_s):
                    return _is_enabled(await connections.ask(head.encode("ascii") + body))
            finally:
                connections.close()
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
