"""A log store whose writes are announced to the other nodes."""

from __future__ import annotations

from collections.abc import Callable

from websocket_handler.ports.backplane import Backplane
from websocket_handler.ports.log_store import (
    Behind,
    Committed,
    LogStore,
    Segment,
    Tail,
    TooLarge,
    Unavailable,
    always,
)


class AnnouncedLogStore:
    """Stands in front of a log store. Whoever opens a log hears of it from then on; whoever writes tells the others."""

    def __init__(self, store: LogStore, backplane: Backplane) -> None:
        self.name = store.name
        self.is_shared = store.is_shared
        self.limits = store.limits
        self.snapshots = store.snapshots
        self._store = store
        self._backplane = backplane

    def open(
        self, project_id: str, done: Callable[[Tail | Unavailable], None], is_wanted: Callable[[], bool] = always
    ) -> None:
        """See the port."""
        self._backplane.follow(project_id)
        self._store.open(project_id, done, is_wanted)

    def begin(self, project_id: str, epoch: str, done: Callable[[str | Unavailable], None]) -> None:
        """See the port."""
        self._store.begin(project_id, epoch, done)

    def append(
        self, project_id: str, segment: Segment, done: Callable[[Committed | Behind | TooLarge | Unavailable], None]
    ) -> None:
        """See the port. The others are told after the commit, and before the caller."""

        def appended(answer: Committed | Behind | TooLarge | Unavailable) -> None:
            if isinstance(answer, Committed):
                self._backplane.announce(project_id, segment.epoch, (answer.moved or segment).last)
            done(answer)

        self._store.append(project_id, segment, appended)

    def read(
        self,
        project_id: str,
        after: int,
        done: Callable[[Tail | Unavailable], None],
        at_turn: Callable[[], int | None] | None = None,
    ) -> None:
        """See the port."""
        self._store.read(project_id, after, done, at_turn)

    async def check(self) -> None:
        """See the port."""
        await self._store.check()

    def failure(self) -> str | None:
        """See the port."""
        return self._store.failure()
