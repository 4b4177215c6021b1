"""The ports of a node that runs alone and without AWS: logs and peers in memory."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from websocket_handler.hub.log import LogLimits, ProjectLog
from websocket_handler.ports.clock import Clock
from websocket_handler.ports.log_store import (
    Behind,
    Committed,
    Segment,
    SegmentLimits,
    Tail,
    TooLarge,
    Unavailable,
    always,
)
from websocket_handler.ports.peers import PEER_LIFETIME_S

COMMITTED = Committed()
READ_BYTES_MAX = 1_048_576


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
        self._logs: OrderedDict[str, ProjectLog] = OrderedDict()

    def open(
        self, project_id: str, done: Callable[[Tail | Unavailable], None], is_wanted: Callable[[], bool] = always
    ) -> None:
        log = self._logs.get(project_id)
        if log is None:
            done(Tail(None, 0, 0, ()))
        else:
            self._bytes -= log.bytes
            log.trim(self._clock.wall())
            self._bytes += log.bytes
            done(self._tail(log, log.first - 1, len(log), log.bytes))

    def append(
        self, project_id: str, segment: Segment, done: Callable[[Committed | Behind | TooLarge | Unavailable], None]
    ) -> None:
        log = self._logs.get(project_id)
        if log is None:
            if segment.first != 1:  # the log was dropped, and the writer's numbering is lost with it
                done(Behind())
                return
            log = self._logs[project_id] = ProjectLog(segment.epoch, 0, self._limits)
        elif segment.first != log.head + 1 or segment.epoch != log.epoch:
            done(Behind())
            return
        self._bytes -= log.bytes
        log.extend(segment.records, self._clock.wall())
        self._bytes += log.bytes
        self._logs.move_to_end(project_id)
        if self._bytes > self._bytes_max:
            self._let_go(project_id)
        done(COMMITTED)

    def _let_go(self, kept: str) -> None:
        while self._bytes > self._bytes_max and len(self._logs) > 1:
            project_id, log = next(iter(self._logs.items()))
            if project_id == kept:
                return
            del self._logs[project_id]
            self._bytes -= log.bytes

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
        return Tail(log.epoch, log.head, log.first - 1, segments)

    async def check(self) -> None:
        """It can always be used."""

    def failure(self) -> str | None:
        return None


class MemoryPeers:
    """Nodes of one process that share this object."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}

    async def announce(self, node_id: str, now: float) -> Sequence[str]:
        self._seen[node_id] = now
        return [peer for peer, at in self._seen.items() if peer != node_id and at > now - PEER_LIFETIME_S]

    async def leave(self, node_id: str) -> None:
        self._seen.pop(node_id, None)
