"""One open project: what its publishers wait for, what its log holds, and where its subscribers stand.

The way of a publication: `publish` -> waiting -> one segment at a time to the log store -> committed -> the
log -> one write to every level subscriber -> the publisher's confirmation. Nothing is fanned out before it is
committed, so no client ever holds an offset that a crash takes back. Publications that arrive while a segment
is being written form the next one (group commit); those that arrive in one turn of the loop leave in one write.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from functools import partial

from websocket_handler.delivery.engine import Engine
from websocket_handler.delivery.fan_out import FanOut
from websocket_handler.delivery.reader import records_after, unavailable
from websocket_handler.hub.epochs import begin_epoch
from websocket_handler.hub.keys import KeyWindow, key_conflict
from websocket_handler.hub.log import ProjectLog, Publication
from websocket_handler.ports.log_store import (
    SEGMENT_BYTES_MAX,
    SEGMENT_MESSAGES_MAX,
    Behind,
    Committed,
    Segment,
    Tail,
    Unavailable,
)
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position

Published = Callable[[Position | CommandError], None]
"""Called once: with the publication's position, or with why it was not published."""

RACES_MAX = 100
"""Lost races in a row after which publishers are told to retry: another node writes faster than we read."""


class _Waiting:
    """A publication before its commit."""

    __slots__ = ("digest", "done", "head", "key")

    def __init__(self, head: bytes, key: str, digest: bytes, done: Published) -> None:
        self.head = head
        self.key = key
        self.digest = digest
        self.done = done


class _State(Enum):
    OPENING = auto()
    READY = auto()
    WRITING = auto()
    CLOSED = auto()


class Project:
    """The log of one project on this node, and everyone who waits for it."""

    def __init__(self, project_id: str, engine: Engine, closed: Callable[["Project"], None]) -> None:
        self.project_id = project_id
        self.log = ProjectLog("", 0, engine.limits.log)
        self.floor = 0
        self.used_at = engine.clock.monotonic()
        self.fan_out = FanOut(self, engine)
        self._engine = engine
        self._closed = closed
        self._keys = KeyWindow(engine.limits.key_count, engine.limits.key_seconds)
        self._state = _State.OPENING
        self._when_open: list[Callable[[CommandError | None], None]] = []
        self._when_refreshed: list[Callable[[CommandError | None], None]] = []
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._written: list[_Waiting] = []
        self._is_flush_planned = False
        self._races = 0
        engine.store.open(project_id, self._opened)

    # Opening

    def when_open(self, callback: Callable[[CommandError | None], None]) -> None:
        """Call once the log is known, or cannot be had. At once when it is known already."""
        if self._state is _State.OPENING:
            self._when_open.append(callback)
        elif self._state is _State.CLOSED:
            callback(unavailable())
        else:
            callback(None)

    def _opened(self, tail: Tail | Unavailable) -> None:
        if isinstance(tail, Unavailable):
            self._fail()
            return
        self._adopt(tail)
        self._become_ready()

    def _adopt(self, tail: Tail) -> None:
        """Take over the log as the store has it."""
        first = tail.segments[0].first if tail.segments else tail.head + 1
        epoch = tail.epoch or begin_epoch(self._engine.clock.wall(), self._engine.new_id())
        self.log = ProjectLog(epoch, first - 1, self._engine.limits.log)
        self.floor = tail.floor
        for segment in tail.segments:
            self._extend(segment)
        self.fan_out.delivered = self.log.head

    def _become_ready(self) -> None:
        self._state = _State.READY
        self._answer_all(None)
        self._plan_flush()

    def _answer_all(self, fault: CommandError | None) -> None:
        """Tell those who wait for the log to be known, or known anew."""
        callbacks = [*self._when_open, *self._when_refreshed]
        self._when_open.clear()
        self._when_refreshed.clear()
        for callback in callbacks:
            callback(fault)

    def _fail(self) -> None:
        """Close: everyone who waits is told, and the next use opens the project again."""
        self._state = _State.CLOSED
        self._closed(self)
        self._refuse_all(unavailable())

    @property
    def is_idle(self) -> bool:
        """Whether nobody follows, publishes or waits."""
        return (
            self._state is _State.READY and not self._waiting and not self._is_flush_planned and self.fan_out.is_empty
        )

    @property
    def is_closed(self) -> bool:
        """Whether it is of no further use: whoever needs the project opens it anew."""
        return self._state is _State.CLOSED

    @property
    def is_settled(self) -> bool:
        """Whether every accepted publication was answered."""
        return not self._waiting and not self._written

    def close(self) -> None:
        """Let go of the project. It must be idle."""
        self._state = _State.CLOSED

    # Publishing

    def publish(self, head: bytes, key: str, digest: bytes, done: Published) -> None:
        """Append a publication (its head, as `publication_head` makes it). `done` may be called at once when it
        is refused, else after the commit."""
        try:
            self.check_room(1, len(head))
        except CommandError as fault:
            done(fault)
            return
        self._waiting.append(_Waiting(head, key, digest, done))
        self._waiting_bytes += len(head)
        self._plan_flush()

    def check_room(self, count: int, size: int) -> None:
        """Whether so many further publications, of so many bytes, may wait. Raises CommandError: `overloaded`,
        `store_unavailable`."""
        limits = self._engine.limits
        if self._state is _State.CLOSED:
            raise unavailable()
        messages, waiting_bytes = len(self._waiting) + count, self._waiting_bytes + size
        if messages > limits.pending_messages or waiting_bytes > limits.pending_bytes:
            raise CommandError(ErrorCode.OVERLOADED, "too many publications wait for the log store")

    def _plan_flush(self) -> None:
        if self._waiting and not self._is_flush_planned and self._state is _State.READY:
            self._is_flush_planned = True
            self._engine.scheduler.call_soon(self._flush)

    def _flush(self) -> None:
        """Write what waits, one segment at a time. With a store that answers at once this ends when nothing
        waits; with a remote one it goes on when the answer comes."""
        self._is_flush_planned = False
        while self._state is _State.READY and self._waiting:
            batch, records = self._take_batch()
            if not batch:
                continue
            self._written = batch
            self._state = _State.WRITING
            segment = Segment(self.log.epoch, self.log.head + 1, self._engine.new_id(), records)
            self._engine.store.append(self.project_id, segment, partial(self._answered, segment))

    def _take_batch(self) -> tuple[list[_Waiting], list[Publication]]:
        """The next publications to write, with their offsets. Those whose key is known are answered instead,
        and a key that stands twice in the batch is written once."""
        now = self._engine.clock.wall()
        batch: list[_Waiting] = []
        records: list[Publication] = []
        keys: dict[str, _Waiting] = {}
        size = 0
        offset = self.log.head
        while self._waiting and len(records) < SEGMENT_MESSAGES_MAX:
            waiting = self._waiting[0]
            size += len(waiting.head) + len(waiting.key) + 40
            if records and size > SEGMENT_BYTES_MAX:
                break
            self._waiting.popleft()
            self._waiting_bytes -= len(waiting.head)
            if waiting.key and self._is_answered_by_key(waiting, keys, now):
                continue
            offset += 1
            payload = self._engine.finish(waiting.head, offset)
            records.append(Publication(payload, now, waiting.key, waiting.digest))
            batch.append(waiting)
        return batch, records

    def _is_answered_by_key(self, waiting: _Waiting, keys: dict[str, _Waiting], now: float) -> bool:
        try:
            known = self._keys.find(waiting.key, waiting.digest, now)
        except CommandError as conflict:
            waiting.done(conflict)
            return True
        if known is not None:
            waiting.done(Position(self.log.epoch, known))
            return True
        first = keys.setdefault(waiting.key, waiting)
        if first is waiting:
            return False
        if first.digest != waiting.digest:
            waiting.done(key_conflict())
            return True
        first_done, second_done = first.done, waiting.done

        def done(answer: Position | CommandError) -> None:
            first_done(answer)
            second_done(answer)

        first.done = done
        return True

    # The store's answers

    def _answered(self, segment: Segment, answer: Committed | Behind | Unavailable) -> None:
        match answer:
            case Committed():
                self._races = 0
                self._commit(segment)
                self._become_ready()
            case Behind():
                self._catch_up_with_store(segment)
            case Unavailable():
                self._give_up()

    def _commit(self, segment: Segment) -> None:
        """The segment is in the store: deliver it and confirm ours."""
        written, self._written = self._written, []
        self._extend(segment)
        self._engine.counters.segments += 1
        self._engine.counters.publications += len(segment.records)
        self.fan_out.deliver(segment.records)
        for index, waiting in enumerate(written):
            waiting.done(Position(segment.epoch, segment.first + index))

    def _extend(self, segment: Segment) -> None:
        """The segment continues the log here; its keys are known from now on."""
        now = self._engine.clock.wall()
        records = records_after(segment, self.log.head)
        for offset, record in enumerate(records, self.log.head + 1):
            if record.key:
                self._keys.remember(record.key, record.digest, offset, record.published_at)
        self.log.extend(records, now)

    def _catch_up_with_store(self, segment: Segment) -> None:
        """Somebody wrote first, or our own answer was lost: read what we miss, then write again after it."""
        self._races += 1
        self._waiting.extendleft(reversed(self._written))
        self._waiting_bytes += sum(len(waiting.head) for waiting in self._written)
        self._written = []
        if self._races > RACES_MAX:
            self._races = 0
            self._give_up()
            return
        self._engine.store.read(self.project_id, self.log.head, partial(self._merge, segment))

    def _merge(self, ours: Segment | None, tail: Tail | Unavailable) -> None:
        """Deliver what others wrote. `ours` is the segment whose write was answered with `Behind`."""
        if isinstance(tail, Unavailable):
            self._give_up()
            return
        is_continued = not tail.segments or tail.segments[0].first <= self.log.head + 1
        is_empty = tail.epoch is None and not self.log.head  # our epoch is not in the store before our first write
        if not is_empty and (tail.epoch != self.log.epoch or tail.floor > self.log.head or not is_continued):
            self._state = _State.OPENING
            self._engine.store.open(self.project_id, self._reopened)
            return
        for segment in tail.segments:
            if ours is not None and segment.writer == ours.writer:
                self._written = [self._waiting.popleft() for _ in ours.records]
                self._waiting_bytes -= sum(len(waiting.head) for waiting in self._written)
                self._commit(segment)
            else:
                missed = records_after(segment, self.log.head)
                self._extend(segment)
                self.fan_out.deliver(missed)
        self._become_ready()

    def _reopened(self, tail: Tail | Unavailable) -> None:
        """The store's log is another one than ours: go on with that, and tell everyone."""
        if isinstance(tail, Unavailable):
            self._give_up()
            return
        self._keys = KeyWindow(self._engine.limits.key_count, self._engine.limits.key_seconds)
        self._adopt(tail)
        self._engine.counters.resets += 1
        self.fan_out.reset()
        self._become_ready()

    def _give_up(self) -> None:
        """The store does not answer: nobody waits longer than it took to find out. The next use asks again."""
        self._state = _State.READY
        self._refuse_all(unavailable())

    def _refuse_all(self, fault: CommandError) -> None:
        refused = [*self._written, *self._waiting]
        self._written = []
        self._waiting.clear()
        self._waiting_bytes = 0
        for waiting in refused:
            waiting.done(fault)
        self._answer_all(fault)

    def refresh(self, done: Callable[[CommandError | None], None]) -> None:
        """Read what another node may have written since, deliver it, then call `done`."""
        if self._state is _State.READY:
            self._state = _State.WRITING
            self._when_refreshed.append(done)
            self._engine.store.read(self.project_id, self.log.head, partial(self._merge, None))
        elif self._state is _State.CLOSED:
            done(unavailable())
        else:
            self._when_refreshed.append(done)
