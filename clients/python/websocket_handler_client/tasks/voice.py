"""What one task says to the followers of its project.

Every update is numbered, so a task that runs twice is seen once: the second run says the same under the same numbers,
and the gateway does not publish it again. The result and each failure count for themselves, so that none of them is
ever taken for a repeat of something that another run said.
"""

import asyncio
from collections import deque
from typing import Any

from websocket_handler_client.publishing.outlet import Outgoing
from websocket_handler_client.tasks.outbox import Outbox


class Voice:
    """Numbers the updates of one task."""

    def __init__(self, outbox: Outbox, agent: str, message_id: str, project_id: str | None) -> None:
        self._outbox = outbox
        self._common = {"project_id": project_id, "agent": agent, "task_id": message_id}
        self._project_id = project_id
        self._producer = f"{agent}:{message_id}"
        self._sequence = 0
        self._unsent: deque[asyncio.Future[None]] = deque()

    async def say(self, message: dict[str, Any]) -> None:
        """Say the next thing. A task without a project has nobody who follows it, and says nothing. Raises ClientError
        if something that was said before could not be sent."""
        sequence = self._sequence
        self._sequence += 1
        await self._put(message, self._producer, sequence)

    async def say_once(self, message: dict[str, Any], what: str) -> None:
        """Say something that counts for itself: `result`, or a failure."""
        await self._put(message, f"{self._producer}:{what}", 0)

    async def flush(self) -> None:
        """Return once everything is sent. Raises ClientError if something could not be sent."""
        while self._unsent:
            await self._unsent.popleft()

    async def _put(self, message: dict[str, Any], producer: str, sequence: int) -> None:
        if self._project_id is None:
            return
        while self._unsent and self._unsent[0].done():
            self._unsent.popleft().result()
        numbered = {**self._common, **message, "producer": producer, "sequence": sequence}
        self._unsent.append(await self._outbox.put(Outgoing(self._project_id, numbered)))
