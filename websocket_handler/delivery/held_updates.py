"""Updates that were read and wait, because the gateway could not publish them yet."""

from collections import deque
from collections.abc import Sequence

from websocket_handler.protocol.ordinal import MARK, ordinal_of
from websocket_handler.protocol.publication import PreparedPublication


class ReadUpdate:
    """An update that was read: what it publishes, and the handle by which its message is deleted."""

    __slots__ = ("handle", "held_since", "is_broadcast", "ordinal", "publication", "update_id")

    def __init__(self, update_id: str, handle: str, publication: PreparedPublication, *, is_broadcast: bool) -> None:
        self.update_id = update_id
        self.handle = handle
        self.publication = publication
        self.is_broadcast = is_broadcast
        self.ordinal = ordinal_of(publication.key) if MARK in publication.key else None
        """Its producer and number; None if it is not numbered."""
        self.held_since: float | None = None
        """The monotonic second at which publishing it failed for the first time."""


class HeldUpdates:
    """The updates that wait to be published again. The updates of each project keep their order."""

    __slots__ = ("_by_project",)

    def __init__(self) -> None:
        self._by_project: dict[str, deque[ReadUpdate]] = {}

    def __len__(self) -> int:
        return sum(len(updates) for updates in self._by_project.values())

    def holds(self, project_id: str) -> bool:
        """True while an update of the project waits. Later updates of the project then have to wait behind it."""
        return project_id in self._by_project

    def add(self, update: ReadUpdate, now: float) -> None:
        """Let an update wait behind the others of its project. `now` is monotonic seconds."""
        if update.held_since is None:
            update.held_since = now
        self._by_project.setdefault(update.publication.project_id, deque()).append(update)

    def take_all(self) -> Sequence[ReadUpdate]:
        """Take all updates that wait, to try them again in this order."""
        waiting, self._by_project = self._by_project, {}
        return [update for updates in waiting.values() for update in updates]
