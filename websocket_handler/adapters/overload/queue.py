"""Who waits for a turn on a store: the most important first, and among equals who came first."""

from collections.abc import Hashable
from enum import IntEnum
from typing import Final, Generic, TypeVar


class Rank(IntEnum):
    """How important an operation is; the smaller number goes first."""

    LOG = 0
    """Opens, reads and appends of project logs, and what nodes tell each other."""
    RECORDS = 1
    """Records of connections: nobody waits for them, and they can be written later."""


Item = TypeVar("Item", bound=Hashable)
_RANKS: Final = tuple(Rank)


class TurnQueue(Generic[Item]):
    """At most `most` items, each once."""

    __slots__ = ("_most", "_waiting")

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: dict[Rank, dict[Item, None]] = {rank: {} for rank in _RANKS}
        """By rank, oldest first."""

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def count(self, rank: Rank) -> int:
        """How many wait that `rank` has to let go first: those of this rank, and more important ones."""
        return sum(len(self._waiting[other]) for other in _RANKS if other <= rank)

    def add(self, item: Item, rank: Rank) -> Item | None:
        """Let one more wait. If the queue is full, returns who has to leave instead: the newest of the least important,
        or the new one itself if all others are as important."""
        self._waiting[rank][item] = None
        return self._drop() if len(self) > self._most else None

    def _drop(self) -> Item:
        least = max(rank for rank in _RANKS if self._waiting[rank])
        item, _ = self._waiting[least].popitem()
        return item

    def take(self) -> Item | None:
        """Take out who is next; None if nobody waits."""
        for rank in _RANKS:
            waiting = self._waiting[rank]
            if waiting:
                item = next(iter(waiting))
                del waiting[item]
                return item
        return None

    def remove(self, item: Item) -> None:
        """Take out one that no longer wants to wait. Doing it twice changes nothing."""
        for waiting in self._waiting.values():
            waiting.pop(item, None)
