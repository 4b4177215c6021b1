"""The ports of a node that runs alone and without AWS: logs and peers in memory, and nobody who reads records."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from websocket_handler.hub.log import LogLimits, ProjectLog
from websocket_handler.ports.clock import Clock
from websocket_handler.ports.log_store import (
    BEGUN_S,
    Behind,
    Committed,
    Segment,
    SegmentLimits,
    Snapshot,
    Tail,
    TooLarge,
    Unavailable,
    always,
)
from websocket_handler.ports.peers import PEER_LIFETIME_S
from websocket_handler.ports.state_store import ConnectionRecord

COMMITTED = Committed()
READ_BYTES_MAX = 1_048_576
BEGUN_MAX = 10_000
"""Of how many empty logs the epoch is kept."""


class _KeptLog(ProjectLog):
    """A log, and what the store knows of it."""

    __slots__ = ("counted", "snapshot", "written")

    def __init__(self, epoch: str, limits: LogLimits) -> None:
        super().__init__(epoch, 0, limits)
        self.written = 0
        """The number of the last write."""
        self.counted = 0
        """How many of its bytes are in the store's total. The node that reads it in place may remove entries."""
        self.snapshot: Snapshot | None = None
        """What its runs had become."""

    @property
    def bytes_with_snapshot(self) -> int:
        """How many bytes the log and the snapshot of its runs have."""
        return self.bytes if self.snapshot is None else self.bytes + len(self.snapshot.data)


class MemoryLogStore:
    """Keeps logs while the process lives, in at most `bytes_max` bytes. If they need more, the log that was used
    longest ago is dropped. It comes back empty, under a new epoch."""

    name = "memory"
    is_shared = False
    limits = SegmentLimits(messages=500, bytes=300_000)

    def __init__(self, clock: Clock, limits: LogLimits, bytes_max: int = 134_217_728) -> None:
        self._clock = clock
        self._limits = limits
        self._bytes_max = bytes_max
        self._bytes = 0
        self._logs: dict[str, _KeptLog] = {}
        self.snapshots = MemorySnapshots(self)
        self._writes = 0
        self._begun: OrderedDict[str, tuple[str, float]] = OrderedDict()
        """The epochs of empty logs, each with the wall-clock second of the last word about it, oldest word first."""
        self._in_order: list[tuple[int, str]] = []
        """Logs in the order of their last writes, the latest first, as of the last time that somebody asked for all of
        them. Keeping the order at each write would cost each write a wait for the memory of three other logs."""

    def open(
        self, project_id: str, done: Callable[[Tail | Unavailable], None], is_wanted: Callable[[], bool] = always
    ) -> None:
        log = self._logs.get(project_id)
        if log is None:
            done(Tail(None, 0, 0, ()))
        else:
            log.trim(self._clock.wall())
            self._count(log)
            done(self._tail(log, log.first - 1, len(log), log.bytes))

    def begin(self, project_id: str, epoch: str, done: Callable[[str | Unavailable], None]) -> None:
        now, log = self._clock.wall(), self._logs.get(project_id)
        known, at = self._begun.pop(project_id, (epoch, now))
        agreed = known if at > now - BEGUN_S else epoch
        self._begun[project_id] = agreed, now
        if len(self._begun) > BEGUN_MAX:
            self._begun.popitem(last=False)
        done(agreed if log is None else log.epoch)

    def append(
        self, project_id: str, segment: Segment, done: Callable[[Committed | Behind | TooLarge | Unavailable], None]
    ) -> None:
        log, answer = self._logs.get(project_id), COMMITTED
        if log is None:
            if segment.first != 1:  # the log was dropped, and the writer's numbering is lost with it
                done(Behind())
                return
            log = self._logs[project_id] = _KeptLog(segment.epoch, self._limits)
            answer = Committed(log=self._lent(log))
        elif segment.first != log.head + 1 or segment.epoch != log.epoch:
            done(Behind())
            return
        log.extend(segment.records, self._clock.wall())
        log.written = self._writes = self._writes + 1
        self._count(log)
        if self._bytes > self._bytes_max:
            self._let_go()
        done(answer)

    def _lent(self, log: ProjectLog) -> ProjectLog | None:
        """The log for the one node that may read it in place."""
        return None if self.is_shared else log

    def _count(self, log: _KeptLog) -> None:
        size = log.bytes_with_snapshot
        self._bytes += size - log.counted
        log.counted = size

    def _let_go(self) -> None:
        """Drop the logs that were written longest ago, never the one that was written last."""
        while self._bytes > self._bytes_max and len(self._logs) > 1:
            self._bytes -= self._logs.pop(self._written_longest_ago()).counted

    def _written_longest_ago(self) -> str:
        logs = self._logs
        while True:
            if not self._in_order:
                self._in_order = sorted([(log.written, project_id) for project_id, log in logs.items()], reverse=True)
            written, project_id = self._in_order.pop()
            log = logs.get(project_id)
            if log is not None and log.written == written:  # all that were written since come after it
                return project_id

    def read(
        self,
        project_id: str,
        after: int,
        done: Callable[[Tail | Unavailable], None],
        at_turn: Callable[[], int | None] | None = None,
    ) -> None:
        log = self._logs.get(project_id)
        if log is None:
            done(Tail(None, 0, 0, ()))
        elif log.covers(after):
            done(self._tail(log, after, self.limits.messages, READ_BYTES_MAX))
        else:
            done(Tail(log.epoch, log.head, log.first - 1, ()))

    def _tail(self, log: ProjectLog, after: int, count_max: int, bytes_max: int) -> Tail:
        records = log.after(after, count_max, bytes_max)
        segments = (Segment(log.epoch, after + 1, "", records),) if records else ()
        return Tail(log.epoch, log.head, log.first - 1, segments, self._lent(log))

    def keep(self, project_id: str, snapshot: Snapshot) -> bool:
        """Keep a snapshot with its log. Returns False if there is no such log, or a newer snapshot."""
        log = self._logs.get(project_id)
        if log is None or log.epoch != snapshot.epoch or log.head < snapshot.offset:
            return False
        if log.snapshot is not None and log.snapshot.offset >= snapshot.offset:
            return False
        log.snapshot = snapshot
        self._count(log)
        return True

    def snapshot(self, project_id: str) -> Snapshot | None:
        """The snapshot that is kept with a log."""
        log = self._logs.get(project_id)
        return None if log is None else log.snapshot

    async def check(self) -> None:
        """It can always be used."""

    def failure(self) -> str | None:
        return None


class MemorySnapshots:
    """The snapshots of a memory store, as long as it has their logs."""

    def __init__(self, store: MemoryLogStore) -> None:
        self._store = store

    def keep(self, project_id: str, snapshot: Snapshot, done: Callable[[bool | Unavailable], None]) -> None:
        done(self._store.keep(project_id, snapshot))

    def newest(
        self,
        project_id: str,
        done: Callable[[Snapshot | Unavailable | None], None],
        is_wanted: Callable[[], bool] = always,
    ) -> None:
        done(self._store.snapshot(project_id))


class MemoryPeers:
    """Nodes of one process that share this object."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}

    async def announce(self, node_id: str, now: float) -> Sequence[str]:
        self._seen[node_id] = now
        return [peer for peer, at in self._seen.items() if peer != node_id and at > now - PEER_LIFETIME_S]

    async def leave(self, node_id: str) -> None:
        self._seen.pop(node_id, None)


class NoRecords:
    """Records no connections: there is no other service that would read them."""

    name = "none"

    async def write(self, changed: Sequence[ConnectionRecord], gone: Sequence[str], now: float) -> None:
        """Does nothing."""
