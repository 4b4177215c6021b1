"""The queues around the gateway, as an operator sees them: how full they are, and the way back for dead letters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class QueueState:
    """How many messages a queue has. The counts are approximate, and may be a minute late."""

    waiting: int
    """Messages that the next receiver gets."""
    in_flight: int
    """Messages that somebody has received, and neither deleted nor given back."""
    delayed: int
    """Messages that become visible later."""
    dead_letters: int | None
    """Messages that were received too often, and were put aside. None if the queue puts none aside, or if nobody
    knows; `fault` then says why."""
    fault: str = ""
    """Why the dead letters could not be counted; empty if they were."""


class QueueUnreachable(Exception):
    """The queue did not answer, or the gateway may not do this. The text says which."""


class NoDeadLetters(Exception):
    """The queue puts no dead letters aside."""


class MoveUnderWay(Exception):
    """The dead letters are being moved already."""


class Queues(Protocol):
    """Looks at queues by name, and moves dead letters back."""

    names: Sequence[str]
    """The names of the agents, and `updates` if agents leave their updates in a queue."""

    async def look(self, name: str) -> QueueState:
        """Count the messages of one of the queues in `names`. Raises QueueUnreachable."""
        ...

    async def return_dead_letters(self, name: str) -> int:
        """Begin to move the dead letters of a queue back to the queues from which they came. They are new messages
        there: the count of their receives begins anew. Returns how many there are. The queue's own service moves them,
        also if this node ends meanwhile, so that none is lost or there twice.

        Raises NoDeadLetters, MoveUnderWay, QueueUnreachable.
        """
        ...
