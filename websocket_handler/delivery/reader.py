"""Reading a project's log at any place: from memory where the node retains it, else from the log store.

Reads of the store are shared: a thousand clients that resume from one place cause one read.
"""

from collections.abc import Callable
from itertools import islice

from websocket_handler.delivery.engine import Engine, Log
from websocket_handler.hub.epochs import was_never_written
from websocket_handler.hub.log import Publication, Start
from websocket_handler.ports.log_store import Segment, Tail, Unavailable
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.replies import HistoryPage

Placed = Callable[[Start | CommandError], None]
Paged = Callable[[HistoryPage | CommandError], None]


class Reader:
    """Finds places in one project's log and reads pages from there."""

    __slots__ = ("_engine", "_project", "_reads")

    def __init__(self, project: Log, engine: Engine) -> None:
        self._project = project
        self._engine = engine
        self._reads: dict[int, list[Callable[[Tail | Unavailable], None]]] = {}

    def read(self, after: int, done: Callable[[Tail | Unavailable], None]) -> None:
        """Read the store after `after`, together with everyone who waits for the same place."""
        waiting = self._reads.get(after)
        if waiting is not None:
            waiting.append(done)
            return
        self._reads[after] = [done]

        def answered(tail: Tail | Unavailable) -> None:
            if not isinstance(tail, Unavailable) and tail.epoch == self._project.log.epoch:
                self._project.floor = max(self._project.floor, tail.floor)
            for waiting_done in self._reads.pop(after):
                waiting_done(tail)

        self._engine.store.read(self._project.project_id, after, answered)

    def place(self, since: Position | None, rewind: int | None, done: Placed) -> None:
        """Find where a new cursor starts; what it is told holds at that moment."""
        self._project.when_open(lambda fault: self._place(since, rewind, done, fault))

    def _place(self, since: Position | None, rewind: int | None, done: Placed, fault: CommandError | None) -> None:
        if fault is not None:
            done(fault)
        elif since is not None and not self._knows(since) and self._engine.store.is_shared:
            # Another node may have written what this client has seen: look before saying no.
            self._reach(since.offset, lambda error: self._decide(since, rewind, done, error))
        else:
            self._decide(since, rewind, done, None)

    def _reach(self, offset: int, done: Callable[[CommandError | None], None]) -> None:
        """Read what other nodes wrote, page after page, until `offset` is known or nothing further comes."""
        before = self._project.log.position

        def refreshed(fault: CommandError | None) -> None:
            now = self._project.log.position
            if fault is None and now.offset < offset and now != before:
                self._reach(offset, done)
            else:
                done(fault)

        self._project.refresh(refreshed)

    def _knows(self, since: Position) -> bool:
        log = self._project.log
        return since.epoch == log.epoch and since.offset <= log.head

    def _decide(self, since: Position | None, rewind: int | None, done: Placed, fault: CommandError | None) -> None:
        if fault is not None:
            done(fault)
            return
        log = self._project.log
        if since is not None and self._is_beginning(since):
            since = Position(log.epoch, 0)
        start = log.start(since, rewind, min(self._project.floor, log.first - 1))
        if log.covers(start.offset):
            done(start)
            return

        def verified(tail: Tail | Unavailable) -> None:
            """Further back than memory: only what the store still has may be promised."""
            if isinstance(tail, Unavailable):
                done(unavailable())
            elif self._project.log is not log:  # another one since, in which the offset means nothing
                self._decide(since, rewind, done, None)
            elif tail.epoch == self._project.log.epoch and follows(tail, start.offset):
                done(start)
            else:
                done(Start(self.floor_after(start.offset, tail), recovered=since is None))

        self.read(start.offset, verified)

    def _is_beginning(self, since: Position) -> bool:
        """Whether `since` is the place before the first publication, given out under an epoch that nothing was ever
        written under: a quiet project, whose node was replaced. Its client missed nothing that is not here."""
        engine, log = self._engine, self._project.log
        is_known_whole = engine.store.is_shared and min(self._project.floor, log.first - 1) == 0
        retention_s = engine.limits.log.seconds
        return (
            since.offset == 0
            and since.epoch != log.epoch
            and is_known_whole
            and was_never_written(since.epoch, retention_s, engine.clock.wall())
        )

    def floor_after(self, offset: int, tail: Tail) -> int:
        """Where to go on when nothing follows `offset`: at the store's floor, or where memory begins."""
        memory = self._project.log.first - 1
        is_same_log = tail.epoch == self._project.log.epoch
        return tail.floor if is_same_log and offset < tail.floor < memory else memory

    def page(self, after: int, count_max: int, bytes_max: int, done: Paged) -> None:
        """The publications after `after`: at most `count_max`, and about `bytes_max` bytes, at least one if
        there is one."""

        def known(fault: CommandError | None) -> None:
            if fault is not None:
                done(fault)
            else:
                self._page(after, count_max, bytes_max, done, recovered=True)

        def opened(fault: CommandError | None) -> None:
            if fault is None and after > self._project.log.head and self._engine.store.is_shared:
                self._reach(after, known)  # another node may have written what this reader has seen
            else:
                known(fault)

        self._project.when_open(opened)

    def _page(self, after: int, count_max: int, bytes_max: int, done: Paged, *, recovered: bool) -> None:
        log = self._project.log
        if after > log.head:  # a place that this log never had
            after, recovered = min(self._project.floor, log.first - 1), False
        if log.covers(after):
            done(self._made(after, log.after(after, count_max, bytes_max), recovered=recovered))
            return

        def answered(tail: Tail | Unavailable) -> None:
            if isinstance(tail, Unavailable):
                done(unavailable())
            elif tail.epoch == self._project.log.epoch and follows(tail, after):
                found = bounded(after_in(tail, after), count_max, bytes_max)
                done(self._made(after, found, recovered=recovered))
            else:  # not retained: a page from the oldest place that is
                floor = self.floor_after(after, tail)
                self._page(floor, count_max, bytes_max, done, recovered=False)

        self.read(after, answered)

    def _made(self, start: int, records: list[Publication], *, recovered: bool) -> HistoryPage:
        end = start + len(records)
        log = self._project.log
        payloads = [record.payload for record in records]
        return HistoryPage(Position(log.epoch, end), payloads, recovered, is_last=end >= log.head)


def follows(tail: Tail, offset: int) -> bool:
    """Whether the segments read contain the publication right after `offset`."""
    return bool(tail.segments) and tail.segments[0].first <= offset + 1 <= tail.segments[-1].last


def after_in(tail: Tail, offset: int) -> list[Publication]:
    """The publications after `offset` in what was read. `follows` must hold."""
    records: list[Publication] = []
    for segment in tail.segments:
        records.extend(records_after(segment, offset))
    return records


def records_after(segment: Segment, offset: int) -> list[Publication]:
    """The segment's publications after `offset`."""
    return list(islice(segment.records, max(0, offset + 1 - segment.first), None))


def bounded(records: list[Publication], count_max: int, bytes_max: int) -> list[Publication]:
    """The first records within both maxima, at least one."""
    size = 0
    for index, record in enumerate(records[:count_max]):
        size += len(record.payload)
        if index and size > bytes_max:
            return records[:index]
    return records[:count_max]


def unavailable() -> CommandError:
    """The answer while the log store does not answer."""
    return CommandError(ErrorCode.STORE_UNAVAILABLE, "the log store does not answer; what was confirmed is safe")
