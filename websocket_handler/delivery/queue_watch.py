"""What operators see and do at the queues: one look for all who ask, and one move of dead letters at a time."""

import asyncio
from collections.abc import Mapping
from typing import Final

from websocket_handler.ports.clock import Clock
from websocket_handler.ports.queues import MoveUnderWay, NoDeadLetters, Queues, QueueState, QueueUnreachable
from websocket_handler.protocol.codes import CommandError, ErrorCode

LOOK_EVERY_S: Final = 1.0
"""So old may an answer be. However many operators ask, the queues are asked once in this time."""
Looked = Mapping[str, QueueState | str]
"""For each queue its state, or the reason why nobody knows it."""


class QueueWatch:
    """One for a node. Without `queues` there are none to look at."""

    def __init__(self, queues: Queues | None, clock: Clock) -> None:
        self._queues = queues
        self._clock = clock
        self._looked: Looked = {}
        self._looked_at: float | None = None
        self._looking: asyncio.Task[None] | None = None
        self._moving: set[str] = set()
        """The queues whose dead letters are about to be moved."""

    async def states(self) -> Looked:
        """The state of each queue, at most a second old. One look is under way, whoever asks."""
        is_fresh = self._looked_at is not None and self._clock.monotonic() - self._looked_at < LOOK_EVERY_S
        if self._queues is not None and not is_fresh:
            if self._looking is None:
                self._looking = asyncio.create_task(self._look(self._queues))
            await asyncio.shield(self._looking)  # a caller who goes away does not stop it: others may wait
        return self._looked

    async def _look(self, queues: Queues) -> None:
        try:
            found = await asyncio.gather(*(_state_of(queues, name) for name in queues.names))
            self._looked = dict(zip(queues.names, found, strict=True))
            self._looked_at = self._clock.monotonic()
        finally:
            self._looking = None

    async def return_dead_letters(self, name: str) -> int:
        """Begin to move the dead letters of a queue back. Returns how many there are.

        Raises CommandError: `not_found` if there is no such queue, or it puts no dead letters aside; `conflict` if they
        are being moved; `queue_unavailable` if the queue does not answer, or the gateway has no right to do this.
        """
        queues = self._queues
        if queues is None or name not in queues.names:
            raise CommandError(ErrorCode.NOT_FOUND, "there is no such queue")
        if name in self._moving:
            raise _under_way()
        self._moving.add(name)
        try:
            return await queues.return_dead_letters(name)
        except NoDeadLetters:
            raise CommandError(ErrorCode.NOT_FOUND, f"the {name} queue puts no dead letters aside") from None
        except MoveUnderWay:
            raise _under_way() from None
        except QueueUnreachable as fault:
            raise CommandError(ErrorCode.QUEUE_UNAVAILABLE, str(fault)) from None
        finally:
            self._moving.discard(name)
            self._looked_at = None


async def _state_of(queues: Queues, name: str) -> QueueState | str:
    try:
        return await queues.look(name)
    except QueueUnreachable as fault:
        return str(fault)


def _under_way() -> CommandError:
    return CommandError(ErrorCode.CONFLICT, "the dead letters are being moved already")
