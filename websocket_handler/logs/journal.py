"""The one owner of a project's log on this node: the only writer of its epoch, its head and its floor.

The way of a publication: `publish` -> the queue -> one segment at a time to the log store -> committed -> the log ->
the observer, which delivers it -> the publisher's confirmation. Nothing is delivered before it is committed, so no
client ever holds an offset that a crash takes back. Publications that arrive while a segment is being written form the
next one (group commit).

At most one call on the store that may change the log is under way; the state says which.

=========  ============================  ==========================================  =========
state      what is under way             event                                       next
=========  ============================  ==========================================  =========
UNOPENED   nothing                       somebody needs the log                      OPENING
                                         `close`                                     CLOSED
OPENING    `store.open`, the first one   the end of the log                          READY
                                         the store does not answer                   UNOPENED (1)
READY      nothing                       something waits in the queue                APPENDING
                                         `refresh`                                   READING (4)
                                         `close`                                     CLOSED
APPENDING  `store.append`                committed                                   READY
                                         another writer was first                    READING
                                         another writer was first, 100 times         READY (1)
                                         the store takes no segment of this size     READY (3)
                                         the store does not answer                   READY (1)
READING    `store.read` after the head   the log goes on from our head, or ends      READY
                                         another log, or a hole before what follows  REOPENING
                                         the store does not answer                   READY (1)
REOPENING  `store.open`                  the end of the log                          READY (2)
                                         the store does not answer                   READY (1)
CLOSED     nothing, for ever
=========  ============================  ==========================================  =========

(1) everyone who waits gets `store_unavailable`; the next publication asks the store again.
(2) the observer is told that the log was replaced.
(3) its halves are written one after the other; only a publication that is too large itself is refused.
(4) after a read, the queue goes first, so that many reads in a row delay no publication.
"""

from collections.abc import Sequence
from enum import Enum, auto
from functools import partial
from typing import Final

from websocket_handler.hub.epochs import begin_epoch
from websocket_handler.hub.keys import KeyWindow
from websocket_handler.hub.log import ProjectLog, Publication
from websocket_handler.hub.producers import Producers
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.known import Known, WhenKnown
from websocket_handler.logs.observer import Observer
from websocket_handler.logs.page import entries_after, page_of
from websocket_handler.logs.queue import PublicationQueue, Published, Waiting, without_known
from websocket_handler.logs.refusals import store_unavailable
from websocket_handler.logs.shared_reads import IsWanted, SharedReads
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
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.ordinal import MARK
from websocket_handler.protocol.publication import PreparedPublication

RACES_MAX: Final = 100
"""After so many lost races in a row publishers are told to retry: another node writes faster than this one reads."""


class State(Enum):
    """What is under way: the table at the top of this file."""

    UNOPENED = auto()
    OPENING = auto()
    READY = auto()
    APPENDING = auto()
    READING = auto()
    REOPENING = auto()
    CLOSED = auto()


class Journal:
    """The log of one project. Callbacks may be called before a method returns."""

    __slots__ = (
        "_appending",
        "_appending_bytes",
        "_engine",
        "_is_flush_planned",
        "_keys",
        "_observer",
        "_races",
        "_segment_limits",
        "_was_read",
        "_when_known",
        "log",
        "looks_begun",
        "looks_ended",
        "producers",
        "project_id",
        "queue",
        "reads",
        "state",
    )

    def __init__(self, project_id: str, engine: Engine, observer: Observer) -> None:
        self.project_id = project_id
        self.log = ProjectLog("", 0, engine.limits.log)
        """Epoch, head, floor and the newest entries. Every opening makes a new object."""
        self.queue = PublicationQueue(engine.limits)
        """The publications that wait for the next segment. It lives as long as the journal."""
        self.reads = SharedReads(project_id, engine.store, self._saw)
        """The reads of the store for readers that are further back than memory."""
        self.state = State.UNOPENED
        self.looks_begun = 0
        """How often the journal has asked the store what follows the head."""
        self.looks_ended = 0
        """How often the store has answered. What another node wrote before a question is certainly known once a look
        has ended that began after the question."""
        self._engine = engine
        self._observer = observer
        self._keys = KeyWindow(engine.limits.key_count, engine.limits.key_seconds)
        """The idempotency keys of this epoch. Every new epoch makes a new object."""
        self.producers = Producers(engine.limits.producers)
        """How far each producer's publications have come, whichever node wrote them. It outlives an epoch."""
        self._when_known = WhenKnown()
        """The callers that wait until the log is known. They are answered at each READY."""
        self._appending: list[Waiting] = []
        """The publications of the segment that is being written; empty in all states except APPENDING."""
        self._appending_bytes = 0
        """Their size in bytes, while there are any."""
        self._is_flush_planned = False
        """True from the first publication of a turn until `_flush` runs."""
        self._was_read = False
        """True from the end of a read until the next write."""
        self._races = 0
        """How many races were lost since the last commit."""
        self._segment_limits = engine.store.limits
        """The most that the next segment may hold: less than usual after one was too large for the store."""

    def open(self) -> None:
        """Ask the store for the end of the log, unless it was asked before. The observer must be ready by now."""
        if self.state is State.UNOPENED:
            self.state = State.OPENING
            self._engine.store.open(self.project_id, self._opened, self._is_wanted)

    @property
    def is_idle(self) -> bool:
        """True while nobody publishes or waits."""
        return self.state in (State.READY, State.UNOPENED) and not (self.queue.waiting or self._is_flush_planned)

    @property
    def is_settled(self) -> bool:
        """True if every accepted publication was answered."""
        return not self.queue.waiting and not self._appending

    def has_key(self, key: str) -> bool:
        """True if the log holds a publication with this idempotency key and the key is still remembered."""
        return self._keys.holds(key, self._engine.clock.wall())

    def when_known(self, callback: Known, is_wanted: IsWanted = always) -> None:
        """Call `callback` once the log is known, or with the reason why it is not; at once if it is known already.
        `is_wanted` returns False as soon as nobody waits for the answer any more."""
        if self.state is State.CLOSED:
            callback(self._unavailable(None))
        elif self.state in (State.UNOPENED, State.OPENING, State.REOPENING):
            self._when_known.add(callback, is_wanted)
            self.open()
        else:
            callback(None)

    def _is_wanted(self) -> bool:
        return bool(self.queue.waiting) or self._when_known.is_wanted

    def close(self) -> None:
        """Close the project's log. It must be idle."""
        self.state = State.CLOSED

    def _opened(self, tail: Tail | Unavailable) -> None:
        if isinstance(tail, Tail):
            self._adopt(tail)
            self._become_ready()
            return
        self.state = State.UNOPENED
        if tail.is_unwanted and self._is_wanted():  # somebody began to wait in that moment
            self.open()
        else:
            self._refuse_all(tail)

    def _adopt(self, tail: Tail) -> None:
        """Take over the log from what the store has."""
        first = tail.segments[0].first if tail.segments else tail.head + 1
        epoch = tail.epoch or begin_epoch(self._engine.clock.wall(), self._engine.new_id())
        self.log = ProjectLog(epoch, first - 1, self._engine.limits.log)
        self.log.floor = tail.floor
        for segment in tail.segments:
            self._extend(entries_after(segment, self.log.head))
        self._observer.replaced(self.log.position, self.log.beginning)

    def _become_ready(self) -> None:
        self.state = State.READY
        self._when_known.tell(lambda: None)
        self._plan_flush()

    # Publishing

    def publish(self, publication: PreparedPublication, done: Published) -> None:
        """Append a publication. `done` is called after the commit. Raises CommandError: `overloaded`,
        `store_unavailable`; then nothing was done."""
        self.check_room(1, publication.size)
        self.queue.add(Waiting(publication, done))
        self._plan_flush()

    def check_room(self, count: int, size: int) -> None:
        """Raises CommandError (`overloaded`, `store_unavailable`) unless `count` more publications of `size` bytes
        together may wait."""
        if self.state is State.CLOSED:
            raise self._unavailable(None)
        if self._appending:  # they have to wait again if another writer is first
            count, size = count + len(self._appending), size + self._appending_bytes
        self.queue.check_room(count, size)

    def _plan_flush(self) -> None:
        if self.queue.waiting:
            self.open()
        if self.queue.waiting and not self._is_flush_planned and self.state is State.READY:
            self._is_flush_planned = True
            self._engine.scheduler.call_soon(self._flush)

    def _flush(self) -> None:
        """Write what waits, one segment at a time. If the store answers at once, the loop ends when nothing waits any
        more. If it answers later, the answer continues it."""
        self._is_flush_planned = False
        while self.state is State.READY and self.queue.waiting:
            batch = self.queue.take(self._segment_limits)
            new = without_known(batch, self._keys, self.log.epoch, self._engine.clock.wall())
            if new:
                self._append(new)
        if self.state is State.READY and self._when_known:  # nothing was new, so now comes the read for those who wait
            self._read_on(None)

    def _append(self, batch: list[Waiting]) -> None:
        now, finish = self._engine.clock.wall(), self._engine.finish
        now_ms = round(now * 1000)
        first = self.log.head + 1
        records: list[Publication] = []
        for offset, waiting in enumerate(batch, first):
            publication = waiting.publication
            payload = finish(publication, offset, now_ms)
            records.append(Publication(payload, now, publication.key, publication.digest, offset))
        self._appending = batch
        self._appending_bytes = sum(waiting.publication.size for waiting in batch)
        self._was_read = False
        self.state = State.APPENDING
        segment = Segment(self.log.epoch, first, self._engine.new_id(), records)
        self._engine.store.append(self.project_id, segment, partial(self._answered, segment))

    # The store's answers

    def _answered(self, segment: Segment, answer: Committed | Behind | TooLarge | Unavailable) -> None:
        match answer:
            case Committed():
                self._races = 0
                self._segment_limits = self._engine.store.limits
                self._commit(segment)
                self._become_ready()
            case Behind():
                self._catch_up(segment)
            case TooLarge():
                self._divide()
            case Unavailable():
                self._give_up(answer)

    def _divide(self) -> None:
        """The store takes no segment of this size, although each publication was small enough where it came in. The
        halves are written one after the other, so that only a publication that is too large itself is refused."""
        batch, self._appending = self._appending, []
        if len(batch) > 1:
            self.queue.put_back(batch)
            self._segment_limits = SegmentLimits(len(batch) // 2, self._segment_limits.bytes)
        else:
            self._segment_limits = self._engine.store.limits
            reason = "the log store takes no publication of this size"
            batch[0].answer(CommandError(ErrorCode.MESSAGE_TOO_LARGE, reason))
        self._become_ready()

    def _commit(self, segment: Segment) -> None:
        """Our segment is in the store: deliver it, and confirm its publications."""
        batch, self._appending = self._appending, []
        self._engine.counters.segments += 1
        self._engine.counters.publications += len(segment.records)
        self._take_in(segment.records)
        for waiting, entry in zip(batch, segment.records, strict=True):
            waiting.answer(Position(segment.epoch, entry.offset))

    def _take_in(self, entries: Sequence[Publication]) -> None:
        """Note the entries that continue the log, and tell the observer."""
        before = self.log.head
        self._extend(entries)
        self._observer.appended(page_of(self.log.epoch, before, entries))

    def _extend(self, entries: Sequence[Publication]) -> None:
        for entry in entries:
            if entry.key:
                self._keys.remember(entry.key, entry.digest, entry.offset, entry.published_at)
                if MARK in entry.key:
                    self.producers.note(entry.key)
        self.log.extend(entries, self._engine.clock.wall())

    def _catch_up(self, segment: Segment) -> None:
        """Another writer was first, or the answer to our write was lost: read what is missing, then write after it."""
        self._races += 1
        batch, self._appending = self._appending, []
        self.queue.put_back(batch)
        if self._races > RACES_MAX:
            self._races = 0
            self._give_up(None)
            return
        self._read_on(segment)

    def _read_on(self, ours: Segment | None) -> None:
        self.state = State.READING
        self.looks_begun += 1
        self._engine.store.read(self.project_id, self.log.head, partial(self._merge, ours))

    def _merge(self, ours: Segment | None, tail: Tail | Unavailable) -> None:
        """Deliver what other nodes wrote. `ours` is the segment whose write was answered with `Behind`."""
        self.looks_ended = self.looks_begun
        self._was_read = True
        if isinstance(tail, Unavailable):
            self._give_up(tail)
            return
        if not self._goes_on_in(tail):
            self.state = State.REOPENING
            self._engine.store.open(self.project_id, self._reopened)
            return
        for segment in tail.segments:
            if ours is not None and segment.writer == ours.writer:
                self._appending = self.queue.take_again(len(ours.records))
                self._commit(segment)
            else:
                missed = entries_after(segment, self.log.head)
                if missed:
                    self._take_in(missed)
        self._become_ready()

    def _goes_on_in(self, tail: Tail) -> bool:
        """True if what was read continues this log without a hole."""
        if tail.epoch is None and not self.log.head:
            return True  # our epoch is in the store only after our first write
        is_continued = not tail.segments or tail.segments[0].first <= self.log.head + 1
        return tail.epoch == self.log.epoch and tail.floor <= self.log.head and is_continued

    def _reopened(self, tail: Tail | Unavailable) -> None:
        """The store has another log than this one: continue with that, and tell everyone."""
        if isinstance(tail, Unavailable):
            self._give_up(tail)
            return
        self._keys = KeyWindow(self._engine.limits.key_count, self._engine.limits.key_seconds)
        self._engine.counters.subscription_resets += 1
        self._adopt(tail)
        self._become_ready()

    def _give_up(self, answer: Unavailable | None) -> None:
        """The store does not answer: answer everyone who waits. The next use asks the store again."""
        self.state = State.READY
        self._refuse_all(answer)

    def _refuse_all(self, answer: Unavailable | None) -> None:
        refused, self._appending = [*self._appending, *self.queue.take_all()], []
        when_known, self._when_known = self._when_known, WhenKnown()
        for waiting in refused:
            waiting.answer(self._unavailable(answer))
        when_known.tell(lambda: self._unavailable(answer))

    def _unavailable(self, answer: Unavailable | None) -> CommandError:
        return store_unavailable(answer, self._engine.chance)

    # Reading

    def refresh(self, done: Known) -> None:
        """Read what another node may have written meanwhile, deliver it, and then call `done`. A read that is already
        under way counts as this one: see `looks_ended`."""
        if self.state is State.CLOSED:
            done(self._unavailable(None))
            return
        self._when_known.add(done, always)
        self.open()
        if self.state is State.READY and not (self._was_read and self.queue):
            self._read_on(None)

    def _saw(self, tail: Tail | Unavailable) -> None:
        """Note what a reader found out about the store: the log may have lost its beginning."""
        if not isinstance(tail, Unavailable) and tail.epoch == self.log.epoch:
            self.log.floor = max(self.log.floor, tail.floor)
