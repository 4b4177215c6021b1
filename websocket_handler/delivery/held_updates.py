"""Updates that were read and wait, because the gateway could not publish them yet."""

from bisect import insort
from collections.abc import Sequence
from itertools import count
from operator import attrgetter

from websocket_handler.protocol.ordinal import MARK, ordinal_of
from websocket_handler.protocol.publication import PreparedPublication


class ReadUpdate:
    """An update that was read: what it publishes, and the handle by which its message is deleted."""

    __slots__ = ("handle", "held_since", "is_broadcast", "ordinal", "publication", "turn", "update_id")

    def __init__(self, update_id: str, handle: str, publication: PreparedPublication, *, is_broadcast: bool) -> None:
        self.update_id = update_id
        self.handle = handle
        self.publication = publication
        self.is_broadcast = is_broadcast
        self.ordinal = ordinal_of(publication.key) if MARK in publication.key else None
        """Its producer and number; None if it is not numbered."""
        self.held_since: float | None = None
        """The monotonic second at which publishing it failed for the first time."""
        self.turn = 0
        """Counts the updates in the order in which they are to be published; 0 until that is known."""


class HeldUpdates:
    """The updates that wait to be published again. The updates of each project keep their order.

    An update may be refused at once while the one before it is still being written, and refused later. So the order is
    that of their turns, and not that in which they begin to wait.
    """

    __slots__ = ("_by_project", "_turns")

    def __init__(self) -> None:
        self._by_project: dict[str, list[ReadUpdate]] = {}
        self._turns = count(1)

    def __len__(self) -> int:
        return sum(len(updates) for updates in self._by_project.values())

    def holds(self, project_id: str) -> bool:
        """True while an update of the project waits. Later updates of the project then have to wait behind it."""
        return project_id in self._by_project

    def give_turn(self, update: ReadUpdate) -> None:
        """Put an update behind all that were given a turn before. It keeps its turn."""
        update.turn = update.turn or next(self._turns)

    def add(self, update: ReadUpdate, now: float) -> None:
        """Let an update wait in its turn. `now` is monotonic seconds."""
        if update.held_since is None:
            update.held_since = now
        self.give_turn(update)
        insort(self._by_project.setdefault(update.publication.project_id, []), update, key=attrgetter("turn"))

    def take_all(self) -> Sequence[ReadUpdate]:
        """Take all updates that wait, to try them again in this order."""
        waiting, self._by_project = self._by_project, {}
        return [update for updates in waiting.values() for update in updates]
