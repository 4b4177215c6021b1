"""A log store that tells the checker of every commit. A memory store has no table that the checker could read."""

from collections.abc import Callable
from functools import partial

from websocket_handler.ports.log_store import Behind, Committed, LogStore, Segment, Tail, TooLarge, Unavailable, always


class WatchedStore:
    """Passes every call on to a store."""

    def __init__(self, store: LogStore, committed: Callable[[str, Segment], None]) -> None:
        self._store = store
        self._committed = committed
        self.name = store.name
        self.is_shared = store.is_shared
        self.limits = store.limits
        self.snapshots = store.snapshots

    def open(
        self, project_id: str, done: Callable[[Tail | Unavailable], None], is_wanted: Callable[[], bool] = always
    ) -> None:
        self._store.open(project_id, done, is_wanted)

    def begin(self, project_id: str, epoch: str, done: Callable[[str | Unavailable], None]) -> None:
        self._store.begin(project_id, epoch, done)

    def append(
        self, project_id: str, segment: Segment, done: Callable[[Committed | Behind | TooLarge | Unavailable], None]
    ) -> None:
        self._store.append(project_id, segment, partial(self._answered, project_id, segment, done))

    def _answered(
        self,
        project_id: str,
        segment: Segment,
        done: Callable[[Committed | Behind | TooLarge | Unavailable], None],
        answer: Committed | Behind | TooLarge | Unavailable,
    ) -> None:
        if isinstance(answer, Committed):
            self._committed(project_id, segment)
        done(answer)

    def read(
        self,
        project_id: str,
        after: int,
        done: Callable[[Tail | Unavailable], None],
        at_turn: Callable[[], int | None] | None = None,
    ) -> None:
        self._store.read(project_id, after, done, at_turn)

    async def check(self) -> None:
        await self._store.check()

    def failure(self) -> str | None:
        return self._store.failure()
