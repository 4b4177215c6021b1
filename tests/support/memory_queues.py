"""Queues in memory as an operator sees them. It passes the contract tests of its port, as the real adapter does."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from websocket_handler.ports.queues import MoveUnderWay, NoDeadLetters, QueueState, QueueUnreachable


@dataclass
class MemoryQueue:
    """A queue's messages, and its dead letters; None if it has no dead-letter queue."""

    waiting: list[str] = field(default_factory=list)
    in_flight: list[str] = field(default_factory=list)
    dead_letters: list[str] | None = field(default_factory=list)


class MemoryQueues:
    """Queues by name. A test changes `queues`, and says with `fault` why none of them answers."""

    def __init__(self, **queues: MemoryQueue) -> None:
        self.queues = queues
        self.names: Sequence[str] = tuple(queues)
        self.fault = ""
        self.looks = 0
        self.is_moving = False
        """True while a move that somebody else has begun goes on."""
        self.answers = asyncio.Event()
        """Nobody is answered before it is set."""
        self.answers.set()

    async def look(self, name: str) -> QueueState:
        self.looks += 1
        queue = await self._found(name)
        dead = None if queue.dead_letters is None else len(queue.dead_letters)
        return QueueState(len(queue.waiting), len(queue.in_flight), delayed=0, dead_letters=dead)

    async def return_dead_letters(self, name: str) -> int:
        queue = await self._found(name)
        if queue.dead_letters is None:
            raise NoDeadLetters
        if self.is_moving:
            raise MoveUnderWay
        moved = len(queue.dead_letters)
        queue.waiting += queue.dead_letters
        queue.dead_letters.clear()
        return moved

    async def _found(self, name: str) -> MemoryQueue:
        await self.answers.wait()
        if self.fault:
            raise QueueUnreachable(self.fault)
        return self.queues[name]
