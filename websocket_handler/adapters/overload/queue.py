"""The operations that wait for a turn on a store: the most important first, and of equal ones the oldest first."""

from collections.abc import Callable, Hashable
from enum import IntEnum
from itertools import takewhile
from typing import Final, Generic, TypeVar


class Rank(IntEnum):
    """How important an operation is. The smaller number goes first."""

    LOG = 0
    """Opens, reads and appends of project logs, and what nodes tell each other."""
    RECORDS = 1
    """Records of connections: nobody waits for them, and they can be written later."""


Item = TypeVar("Item", bound=Hashable)
_RANKS: Final = tuple(Rank)


class TurnQueue(Generic[Item]):
    """At most `most` items, each of them once."""

    __slots__ = ("_most", "_waiting")

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: dict[Rank, dict[Item, None]] = {rank: {} for rank in _RANKS}
        """The items by rank, oldest first."""

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def count(self, rank: Rank) -> int:
        """How many items are as important as `rank` or more important, and so go first."""
        return sum(len(self._waiting[other]) for other in _RANKS if other <= rank)

    def add(self, item: Item, rank: Rank) -> Item | None:
        """Let one more item wait. If the queue is full, returns the item that has to leave: the newest of the least
        important, or the new one if all others are as important."""
        self._waiting[rank][item] = None
        return self._drop() if len(self) > self._most else None

    def _drop(self) -> Item:
        least = max(rank for rank in _RANKS if self._waiting[rank])
        item, _ = self._waiting[least].popitem()
        return item

    def take(self) -> Item | None:
        """Take out the next item; None if none waits."""
        for rank in _RANKS:
            waiting = self._waiting[rank]
            if waiting:
                item = next(iter(waiting))
                del waiting[item]
                return item
        return None

    def take_first(self, is_due: Callable[[Item], bool]) -> list[Item]:
        """Take out those that are due. In each rank they are the oldest ones."""
        taken: list[Item] = []
        for waiting in self._waiting.values():
            due = list(takewhile(is_due, waiting))
            for item in due:
                del waiting[item]
            taken += due
        return taken

    def oldest(self) -> list[Item]:
        """The oldest item of each rank that has one."""
        return [next(iter(waiting)) for waiting in self._waiting.values() if waiting]

    def remove(self, item: Item) -> None:
        """Take out an item that waits no longer. Doing it twice changes nothing."""
        for waiting in self._waiting.values():
            waiting.pop(item, None)
