"""The one owner of a project's log on this node.

The way of a publication: `publish` -> the queue -> one segment at a time to the log store -> committed -> the log ->
the observer, which delivers it -> the publisher's confirmation. Nothing is delivered before it is committed, so no
client ever holds an offset that a crash takes back. Publications that arrive while a segment is being written, or
within `commit_linger_s` after that, form the next one (group commit).

The journal says when the store is asked. `store_call.py` has the states and what each answer of the store changes,
`local_log.py` is the only writer of epoch, head and floor, `batch.py` holds what is being written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from websocket_handler.hub.log import ProjectLog
from websocket_handler.logs.batch import Batch
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.known import Known, WhenKnown
from websocket_handler.logs.local_log import LocalLog
from websocket_handler.logs.observer import Observer
from websocket_handler.logs.queue import Condition, PublicationQueue, Published, Waiting
from websocket_handler.logs.shared_reads import IsWanted
from websocket_handler.logs.store_call import State, StoreCall
from websocket_handler.ports.log_store import always
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.publication import PreparedPublication

Guard = Callable[[PreparedPublication], CommandError | None]
"""Asked right before a publication is written. Returns None, or why it may not be written."""


def _nobody_waits(_fault: CommandError | None) -> None:
    """For a look that serves no client."""


class Journal:
    """The log of one project. Callbacks may be called before a method returns."""

    __slots__ = ("_batch", "_engine", "_is_flush_planned", "_when_known", "call", "guard", "local", "queue")

    def __init__(self, project_id: str, engine: Engine, observer: Observer) -> None:
        self.queue = PublicationQueue(engine.limits)
        """What waits for the next segment. This and the next four live as long as the journal."""
        self._batch = Batch(self.queue, engine.store.limits)
        self.local = LocalLog(engine, observer)
        """The log as this node knows it; others only read it."""
        self._when_known = WhenKnown()
        """Who waits until the log is known; emptied at each READY."""
        self.call = StoreCall(project_id, engine, self.local, self._batch, self._when_known, self._plan_flush)
        """The call on the store that is under way; others only look at its state and its counts."""
        self.guard: Guard | None = None
        """Says what may not be written any more, in projects in which that happens."""
        self._engine = engine
        self._is_flush_planned = False
        """True from the first publication that waits until `_flush` runs."""

    # What is known

    @property
    def log(self) -> ProjectLog:
        """Epoch, head, floor, and the newest entries; another object after every opening."""
        return self.local.log

    def open(self) -> None:
        """Ask the store for the end of the log, unless that was done. Call it when the observer can be told."""
        if self.call.state is State.UNOPENED:
            self.call.open(self._is_needed)

    def _is_needed(self) -> bool:
        return bool(self.queue.waiting) or self._when_known.is_wanted

    def when_known(self, callback: Known, is_wanted: IsWanted = always) -> None:
        """Call once the log is known, or with why it cannot be had; at once when it is known already. `is_wanted` says
        no as soon as nobody waits for it any more."""
        if self.call.is_known:
            callback(None)
        elif self.call.state is State.CLOSED:
            callback(self.call.unavailable())
        else:
            self._when_known.add(callback, is_wanted)
            self.open()

    def refresh(self, done: Known) -> None:
        """Read what another node may have written since, deliver it, then call `done`. A read that is under way counts
        as this one: see `looks_ended`."""
        if self.call.state is State.CLOSED:
            done(self.call.unavailable())
            return
        self._when_known.add(done, always)
        self.open()
        if self.call.state is State.READY and not (self.call.was_read and self.queue):
            self.call.read()

    def catch_up(self, done: Known) -> None:
        """Read what other nodes have written until now, deliver it, then call `done`. What is under way may have begun
        before they wrote: then one more `refresh` follows it."""
        begun = self.call.looks_begun

        def refreshed(fault: CommandError | None) -> None:
            if fault is None and self._engine.store.is_shared and self.call.looks_ended <= begun:
                self.refresh(done)
            else:
                done(fault)

        self.refresh(refreshed)

    def keep_epoch(self) -> bool:
        """If it is time, ask the store to go on knowing under which epoch this empty log begins. Returns True if it is
        asked."""
        if self.call.state is not State.READY or not self.local.is_agreement_due:
            return False
        self.local.doubt()
        self.refresh(_nobody_waits)
        return True

    # Publishing

    def publish(self, publication: PreparedPublication, done: Published) -> None:
        """Append a publication. `done` is called after the commit. Raises CommandError: `overloaded`,
        `store_unavailable`; then nothing was done."""
        if self.call.state is State.CLOSED:
            raise self.call.unavailable()
        (self._batch if self._batch.written else self.queue).check_room(1, publication.size)
        self.queue.add(Waiting(publication, done))
        if not self._is_flush_planned:
            self._plan_flush()

    def publish_if(self, condition: Condition, publications: Sequence[PreparedPublication], done: Published) -> None:
        """Append a few publications in one segment, if the condition holds right before them in the log: no other node
        writes in between. `done` is called for each. Raises as `publish` does; then nothing was done."""
        self.check_room(len(publications), sum(publication.size for publication in publications))
        for publication in publications:
            self.queue.add(Waiting(publication, done, condition))
        self._plan_flush()

    def check_room(self, count: int, size: int) -> None:
        """Raises CommandError (`overloaded`, `store_unavailable`) unless `count` more publications of `size` bytes
        together may wait."""
        if self.call.state is State.CLOSED:
            raise self.call.unavailable()
        self._batch.check_room(count, size)

    def _plan_flush(self) -> None:
        if self._is_flush_planned or not self.queue.waiting:
            return
        if self.call.state is State.READY:
            self._is_flush_planned = True
            if self._engine.pace is not None and (pause_s := self.call.pause_s):
                self._engine.scheduler.call_later(pause_s, self._flush)
            else:
                self._engine.turn.plan(self._flush)
        else:
            self.open()

    def _flush(self) -> None:
        """Write what waits, one segment at a time. With a store that answers at once the loop ends when nothing
        waits; with a remote store it goes on when the answer comes."""
        self._is_flush_planned = False
        call = self.call
        while call.state is State.READY and self.queue.waiting:
            new = self._batch.next_ones()
            if self.queue.has_conditions:
                new = self._permitted(new)
            if self.queue.has_keys:
                new, later = self.local.without_known(new)
                if later:
                    self.queue.put_back(later)
            if self.guard is not None:
                new = self._guarded(self.guard, new)
            if new:
                call.append(new)
        if (
            call.state is State.READY and self._when_known.waiting
        ):  # nothing was new, so now comes the read for those who wait
            call.read()

    def _permitted(self, new: list[Waiting]) -> list[Waiting]:
        """The first of them that have the same condition, or none; the others wait again. If their condition does not
        hold, they are answered, and nothing is left."""
        condition = new[0].condition
        count = next((place for place, each in enumerate(new) if each.condition is not condition), len(new))
        if count < len(new):
            self.queue.put_back(new[count:])
        fault = condition() if condition is not None else None
        if fault is None:
            return new[:count]
        for each in new[:count]:
            each.answer(fault)
        return []

    def _guarded(self, guard: Guard, new: list[Waiting]) -> list[Waiting]:
        """Those that may be written. The others are answered. The log may go on otherwise in what this node has not
        read: then it reads first, and they and all behind them wait."""
        for each in new:
            if guard(each.publication) is not None:
                break
        else:
            return new  # nearly always
        written: list[Waiting] = []
        for place, each in enumerate(new):
            fault = guard(each.publication)
            if fault is None:
                written.append(each)
            elif self._may_be_behind(each):
                self.queue.put_back(new[place:])
                if not written:
                    self.call.read()
                return written
            else:
                each.answer(fault)
        return written

    def _may_be_behind(self, waiting: Waiting) -> bool:
        """True unless this node has read the log since it asked this the first time."""
        if waiting.looks < 0:
            waiting.looks = self.call.looks_begun
        return self._engine.store.is_shared and self.call.looks_ended <= waiting.looks

    # Life

    @property
    def is_idle(self) -> bool:
        """True while nobody publishes or waits."""
        is_resting = self.call.state in (State.READY, State.UNOPENED)
        return is_resting and not (self.queue.waiting or self._is_flush_planned)

    @property
    def is_settled(self) -> bool:
        """True when every accepted publication was answered."""
        return not self.queue.waiting and not self._batch

    def close(self) -> None:
        """Let go of the project. It must be idle."""
        self.call.close()
