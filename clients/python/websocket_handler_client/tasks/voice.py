"""What one task says to the followers of its project.

Every update is numbered, so a task that runs twice is seen once: the second run says the same under the same numbers,
and the gateway does not publish it again. The result and each failure count for themselves, so that none of them is
ever taken for a repeat of something that another run said.
"""

from collections import deque
from typing import Any

from websocket_handler_client.errors import ClientError
from websocket_handler_client.publishing.outlet import Outgoing
from websocket_handler_client.tasks.outbox import Outbox, Sent


class Voice:
    """Numbers the updates of one task."""

    def __init__(self, outbox: Outbox, agent: str, message_id: str, project_id: str | None) -> None:
        self._outbox = outbox
        self._common = {"project_id": project_id, "agent": agent, "task_id": message_id}
        self._project_id = project_id
        self._producer = f"{agent}:{message_id}"
        self._sequence = 0
        self._again: tuple[str, int] | None = None
        """The producer of the run's events and the next number, if the run has begun again."""
        self._beats = 0
        self._unsent: deque[Sent] = deque()

    async def say(self, message: dict[str, Any]) -> None:
        """Say the next thing. A task without a project has nobody who follows it, and says nothing. Raises ClientError
        if something that was said before could not be sent."""
        sequence = self._sequence
        self._sequence += 1
        await self._put(message, self._producer, sequence)

    async def say_in_run(self, message: dict[str, Any]) -> None:
        """Say the next event of the run. Once the run has begun again, it is told anew, under numbers of its own."""
        if self._again is None:
            await self.say(message)
            return
        self._sequence += 1  # so that what does not belong to the run keeps its numbers
        producer, sequence = self._again
        self._again = producer, sequence + 1
        await self._put(message, producer, sequence)

    async def begin_again(self, message: dict[str, Any], attempt: int) -> bool:
        """Say that the run begins again. Returns False if the gateway says that it was not lost, or if nobody answers
        to that. Raises ClientError if it cannot be said."""
        if self._project_id is None or not self._outbox.tells_positions:
            return False
        producer = f"{self._producer}:{attempt}"
        try:
            await (await self._send(message, producer, 0))
        except ClientError as fault:
            if fault.code != "run_not_lost":
                raise
            return False
        self._again = producer, 1
        return True

    async def beat(self, message: dict[str, Any], attempt: int) -> None:
        """Say that the agent is alive. It is no part of what a task says, and repeats nothing."""
        self._beats += 1
        await self._put(message, f"{self._producer}:alive:{attempt}", self._beats)

    async def say_once(self, message: dict[str, Any], what: str) -> None:
        """Say something that counts for itself: `result`, or a failure."""
        await self._put(message, f"{self._producer}:{what}", 0)

    async def end_run(self, message: dict[str, Any]) -> None:
        """Say how the run ended."""
        producer = self._producer if self._again is None else self._again[0]
        await self._put(message, f"{producer}:ended", 0)

    async def flush(self) -> None:
        """Return once everything is sent. Raises ClientError if something could not be sent."""
        while self._unsent:
            await self._unsent.popleft()

    async def _put(self, message: dict[str, Any], producer: str, sequence: int) -> None:
        if self._project_id is None:
            return
        while self._unsent and self._unsent[0].done():
            self._unsent.popleft().result()
        self._unsent.append(await self._send(message, producer, sequence))

    async def _send(self, message: dict[str, Any], producer: str, sequence: int) -> Sent:
        numbered = {**self._common, **message, "producer": producer, "sequence": sequence}
        return await self._outbox.put(Outgoing(self._project_id, numbered))
