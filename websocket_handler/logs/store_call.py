"""The calls of one project's journal on the log store, one after the other.

At most one call on the store that may change the log is under way; the state says which.

=========  ============================  ==========================================  =========
state      what is under way             event                                       next
=========  ============================  ==========================================  =========
UNOPENED   nothing                       somebody needs the log                      OPENING
                                         `close`                                     CLOSED
OPENING    `store.open`, the first one   the end of the log                          READY (5)
                                         the store does not answer                   UNOPENED (1)
READY      nothing                       something waits in the queue                APPENDING
                                         `refresh`                                   READING (4)
                                         `close`                                     CLOSED
APPENDING  `store.append`                committed                                   READY
                                         another writer was first                    READING
                                         another writer was first, 100 times         READY (1)
                                         the store takes no segment of this size     READY (3)
                                         the store does not answer                   READY (1)
READING    `store.read` after the head   the log goes on from our head, or ends      READY (5)
                                         another log, or a hole before what follows  REOPENING
                                         the store does not answer                   READY (1)
REOPENING  `store.open`                  the end of the log                          READY (2, 5)
                                         the store does not answer                   READY (1)
CLOSED     nothing, for ever
=========  ============================  ==========================================  =========

(1) everyone who waits gets `store_unavailable`; the next publication asks the store again.
(2) the observer is told that the log was replaced.
(3) its halves are written one after the other; only a publication that is too large itself is refused.
(4) after a read, the queue goes first, so that many reads in a row delay no publication.
(5) if the log is empty and other nodes may open it too, `store.begin` comes first: it says under which epoch the log
    begins. If the store does not answer, that is as if it had not answered before.
"""

from collections.abc import Callable
from enum import Enum, auto
from functools import partial

from websocket_handler.logs.batch import Batch
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.known import WhenKnown
from websocket_handler.logs.local_log import LocalLog
from websocket_handler.logs.page import entries_after
from websocket_handler.logs.queue import Waiting
from websocket_handler.logs.refusals import store_unavailable
from websocket_handler.ports.log_store import Behind, Committed, Segment, Tail, TooLarge, Unavailable, always
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.messages import Position


class State(Enum):
    """What is under way: the table at the top of this file."""

    UNOPENED = auto()
    OPENING = auto()
    READY = auto()
    APPENDING = auto()
    READING = auto()
    REOPENING = auto()
    CLOSED = auto()


class StoreCall:
    """The call that is under way, and what its answer changes. Callbacks may be called before a method returns."""

    __slots__ = (
        "_batch",
        "_engine",
        "_local",
        "_project_id",
        "_ready",
        "_when_known",
        "looks_begun",
        "looks_ended",
        "state",
        "was_read",
        "written",
    )

    def __init__(
        self,
        project_id: str,
        engine: Engine,
        local: LocalLog,
        batch: Batch,
        when_known: WhenKnown,
        ready: Callable[[], None],
    ) -> None:
        """`ready` is called whenever the state became READY after an answer that helps."""
        self.state = State.UNOPENED
        self.looks_begun = 0
        """How often the store was asked what follows the head."""
        self.looks_ended = 0
        """How often it has answered. What another node wrote before a question is known for certain when a look that
        began after the question has ended."""
        self.was_read = False
        """True from the end of a read until the next write."""
        self.written = 0
        """The offset of the last entry that this node wrote."""
        self._project_id = project_id
        self._engine = engine
        self._local = local
        """What the answers change; lives as long as the journal, as do the next two."""
        self._batch = batch
        self._when_known = when_known
        self._ready = ready

    @property
    def is_known(self) -> bool:
        """True while this node knows the log as it was lately."""
        return self.state in (State.READY, State.APPENDING, State.READING)

    def unavailable(self, answer: Unavailable | None = None) -> CommandError:
        """What one client is told when the store answered so; None if it was not asked."""
        return store_unavailable(answer, self._engine.chance)

    @property
    def pause_s(self) -> float:
        """For how many seconds publications gather before the next segment is written."""
        pace = self._engine.pace
        if pace is None or self._batch.is_full:
            return 0.0
        return pace.wait_s(self._project_id, self._engine.clock.monotonic())

    # Calls

    def open(self, is_needed: Callable[[], bool]) -> None:
        """Ask for the end of the log. If the call has to wait, it is made only if the log `is_needed` by then."""
        self.state = State.OPENING
        self._engine.store.open(self._project_id, partial(self._opened, is_needed), is_needed)

    def append(self, batch: list[Waiting]) -> None:
        """Write these publications as the next segment."""
        self._batch.begin(batch)
        self.was_read = False
        self.state = State.APPENDING
        segment = self._local.next_segment(batch)
        self._engine.store.append(self._project_id, segment, partial(self._appended, segment))

    def read(self, ours: Segment | None = None) -> None:
        """Ask what follows the head. `ours` is the segment whose write was answered with `Behind`."""
        self.state = State.READING
        self.looks_begun += 1
        self._engine.store.read(self._project_id, self._local.log.head, partial(self._read, ours))

    def close(self) -> None:
        """Ask nothing more. No call may be under way."""
        self.state = State.CLOSED

    # Answers

    def _opened(self, is_needed: Callable[[], bool], tail: Tail | Unavailable) -> None:
        if isinstance(tail, Tail):
            self._meet(tail)
        elif tail.is_unwanted and is_needed():  # somebody began to wait in that moment
            self.open(is_needed)
        else:
            self._give_up(tail, State.UNOPENED)

    def _meet(self, tail: Tail) -> None:
        """Take over the log as the store has it. If it is empty, no client may hear of its epoch before all nodes agree
        on it."""
        if self._engine.are_epochs_agreed and not tail.head:
            self._begin(tail.epoch or self._local.proposed_epoch)
        else:
            self._local.adopt(tail)
            self._become_ready()

    def _begin(self, epoch: str) -> None:
        self._engine.store.begin(self._project_id, epoch, self._begun)

    def _begun(self, answer: str | Unavailable) -> None:
        if isinstance(answer, Unavailable):
            self._give_up(answer, State.UNOPENED if self.state is State.OPENING else State.READY)
        else:
            self._local.agree(answer)
            self._become_ready()

    def _appended(self, segment: Segment, answer: Committed | Behind | TooLarge | Unavailable) -> None:
        if isinstance(answer, Committed):  # nearly always: this is the hot path
            for missed in answer.missed:
                self._local.take_in(entries_after(missed, self._local.log.head))
            if answer.log is not None:
                self._local.read_in_place(answer.log)
            self._commit(answer.moved or segment)
            self.state = State.READY
            if self._when_known.waiting or self._batch.has_more:
                self._become_ready()
            return
        match answer:
            case Behind():  # or the answer to our own write was lost: read what we miss, then write after it
                if self._batch.lose():
                    self.read(segment)
                else:
                    self._give_up(None)
            case TooLarge():
                self._batch.divide()
                self._become_ready()
            case Unavailable():
                self._give_up(answer)

    def _commit(self, segment: Segment) -> None:
        """Our segment is in the store: deliver it, and confirm its publications."""
        batch = self._batch.commit()
        records, counters = segment.records, self._engine.counters
        counters.segments += 1
        counters.publications += len(records)
        if self._engine.pace is not None:
            self._engine.pace.note(self._project_id, self._engine.clock.monotonic())
        self.written = records[-1].offset
        self._local.take_in(records)
        for waiting, entry in zip(batch, records, strict=True):
            waiting.answer(Position(segment.epoch, entry.offset))

    def _read(self, ours: Segment | None, tail: Tail | Unavailable) -> None:
        """Deliver what others wrote."""
        self.looks_ended = self.looks_begun
        self.was_read = True
        if isinstance(tail, Unavailable):
            self._give_up(tail)
            return
        if not self._local.goes_on_in(tail):
            self.state = State.REOPENING
            self._engine.store.open(self._project_id, self._reopened, always)
            return
        for segment in tail.segments:
            if ours is not None and segment.writer == ours.writer:
                self._batch.begin_again(len(ours.records))
                self._commit(segment)
            else:
                missed = entries_after(segment, self._local.log.head)
                if missed:
                    self._local.take_in(missed)
        if self._local.is_agreement_due:
            self._begin(self._local.proposed_epoch)
        else:
            self._become_ready()

    def _reopened(self, tail: Tail | Unavailable) -> None:
        """The store's log is another one than ours: go on with that, and tell everyone."""
        if isinstance(tail, Unavailable):
            self._give_up(tail)
        else:
            self._meet(tail)

    def _become_ready(self) -> None:
        self.state = State.READY
        if self._when_known.waiting:
            for known in self._when_known.take():
                known(None)
        self._ready()

    def _give_up(self, answer: Unavailable | None, state: State = State.READY) -> None:
        """The store does not answer: nobody waits longer than it took to find out. The next use asks again."""
        self.state = state
        waiting = self._when_known.take()
        self._batch.refuse_all(lambda: self.unavailable(answer))
        for known in waiting:
            known(self.unavailable(answer))
