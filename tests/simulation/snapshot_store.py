"""A store for the nodes of one schedule: it remembers all that was ever written, and each node has a way to it that is
slow, that fails, and that ends when the node dies."""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, Final

import msgspec

from tests.simulation.snapshot_truth import Event
from tests.support.clock import SteeredClock, loop_time
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.hub.log import LogLimits
from websocket_handler.ports.log_store import Behind, Committed, Segment, Snapshot, Unavailable, always

Act = Callable[[Callable[[Any], None]], None]
DELAYS_S: Final = (0.001, 0.001, 0.05, 0.8)
DOWN: Final = Unavailable("planned")


class Shelf(MemoryLogStore):
    """Holds the log of one project, and beside it a snapshot that outlives a lost log, as an item of a table does."""

    is_shared = True

    def __init__(self, limits: LogLimits, kept: Callable[[Snapshot], None]) -> None:
        super().__init__(SteeredClock(loop_time), limits)
        self.written: dict[str, list[Event]] = {}
        """By epoch: every entry that there ever was."""
        self.newest_epoch = ""
        self.snapshot_kept: Snapshot | None = None
        self._tell_kept = kept

    def append(self, project_id: str, segment: Segment, done: Any) -> None:
        """See `LogStore`."""

        def answered(answer: Any) -> None:
            if isinstance(answer, Committed):
                entries = self.written.setdefault(segment.epoch, [])
                assert len(entries) == segment.first - 1, "a log has one way on"
                entries += [msgspec.json.decode(record.payload) for record in segment.records]
                self.newest_epoch = segment.epoch
            done(answer)

        if segment.first == 1 and self.written.get(segment.epoch):  # of a node that died before the log was lost
            done(Behind())
        else:
            super().append(project_id, segment, answered)

    def lose_the_log(self, project_id: str) -> None:
        """The numbering is lost with it. The snapshot stays."""
        self._logs.pop(project_id, None)
        self._begun.pop(project_id, None)

    def lose_the_snapshot(self) -> None:
        """A store may."""
        self.snapshot_kept = None

    def keep(self, project_id: str, snapshot: Snapshot) -> bool:
        """See `SnapshotStore`."""
        before = self.snapshot_kept
        if before is not None and before.epoch == snapshot.epoch and before.offset >= snapshot.offset:
            return False
        self.snapshot_kept = snapshot
        self._tell_kept(snapshot)
        return True

    def snapshot(self, project_id: str) -> Snapshot | None:
        """See `SnapshotStore`."""
        return self.snapshot_kept


class Way:
    """One node's way to the store: a `LogStore` and its `SnapshotStore`."""

    name = "simulated"
    is_shared = True
    limits = MemoryLogStore.limits

    def __init__(self, shelf: Shelf, random: Random, injected: Counter[str]) -> None:
        self._shelf = shelf
        self._random = random
        self._injected = injected
        self.faults = 0.0
        """The share of calls that fail."""
        self.snapshot_faults = 0.0
        """The share of snapshots that are not kept."""
        self.is_alive = True
        self.snapshots = self

    def die(self) -> None:
        """The node is killed: what it has sent arrives or does not, and nobody hears the answer."""
        self.is_alive = False

    def _call(self, act: Act, done: Any, faults: float = 0.0) -> None:
        random, loop = self._random, asyncio.get_running_loop()
        if not self.is_alive:
            return
        fails, there_s, back_s = (
            random.random() < max(faults, self.faults),
            random.choice(DELAYS_S),
            random.choice(DELAYS_S),
        )
        arrives = not fails or random.random() < 0.5
        self._injected["calls that failed"] += fails

        def answer(what: Any) -> None:
            if self.is_alive:
                done(what)

        def arrive() -> None:
            if not self.is_alive and random.random() < 0.5:
                self._injected["calls of the dead that arrived not"] += 1
                return
            answers: list[Any] = [DOWN]
            if arrives:
                act(answers.append)
            loop.call_later(back_s, answer, DOWN if fails else answers[-1])

        loop.call_later(there_s, arrive)

    def open(self, project_id: str, done: Any, is_wanted: Callable[[], bool] = always) -> None:
        self._call(partial(self._shelf.open, project_id), done)

    def begin(self, project_id: str, epoch: str, done: Any) -> None:
        self._call(partial(self._shelf.begin, project_id, epoch), done)

    def append(self, project_id: str, segment: Segment, done: Any) -> None:
        self._call(partial(self._shelf.append, project_id, segment), done)

    def read(self, project_id: str, after: int, done: Any, at_turn: Callable[[], int | None] | None = None) -> None:
        def act(told: Any) -> None:
            offset = after if at_turn is None else at_turn()
            if offset is None:
                told(Unavailable("nobody waits", is_unwanted=True))
            else:
                self._shelf.read(project_id, offset, told)

        self._call(act, done)

    def keep(self, project_id: str, snapshot: Snapshot, done: Any) -> None:
        self._call(lambda told: told(self._shelf.keep(project_id, snapshot)), done, self.snapshot_faults)

    def newest(self, project_id: str, done: Any, is_wanted: Callable[[], bool] = always) -> None:
        self._call(lambda told: told(self._shelf.snapshot(project_id)), done)

    async def check(self) -> None:
        """It is asked by nobody here."""

    def failure(self) -> str | None:
        return None
