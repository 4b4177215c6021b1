"""The fold of a project's runs outlives the node that made it: it is saved in the log store as a snapshot, and clients
that ask for it begin with it.

A node saves while entries come: some seconds after a change if it wrote some of them, and in any case before its last
snapshot falls out of the log. So the entries after a snapshot are always retained. A node that meets a project whose
log does not reach back to its beginning goes on with what was saved.
"""

from __future__ import annotations

from functools import partial
from typing import Final, NamedTuple

from websocket_handler.hub.log import Start
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.journal import Journal
from websocket_handler.logs.kept_runs import KeptRuns
from websocket_handler.logs.known import Known
from websocket_handler.logs.page import Page
from websocket_handler.logs.reader import Placed, Reader
from websocket_handler.logs.refusals import store_unavailable
from websocket_handler.logs.runs import snapshot as snapshots
from websocket_handler.logs.runs.beginnings import runs_without_beginning
from websocket_handler.logs.runs.fitting import fitted
from websocket_handler.logs.runs.fold import NO_STATE, Fold
from websocket_handler.logs.runs.vocabulary import Fields
from websocket_handler.logs.shared_reads import IsWanted
from websocket_handler.ports.clock import Timer
from websocket_handler.ports.log_store import Snapshot, Unavailable
from websocket_handler.protocol import replies
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.names import OFFSET_MAX

SAVE_S: Final = 10.0
"""For how many seconds changes gather before they are saved."""
TOLD_AGAIN: Final = 64
"""So many entries old may be what a client is told, so that many who come back together get the same bytes."""
PAGES_MAX: Final = 16
"""So many pages are read from the store to make a fold. Beyond them it begins with what is in memory."""
PAGE_MESSAGES: Final = 1000
PAGE_BYTES: Final = 1_048_576
LOOK_EVERY: Final = 8
"""After so many entries a node looks if it is time to save, or sooner where a log retains few."""


class Told(NamedTuple):
    """What a client is told that begins with the snapshot."""

    position: Position
    push: bytes


class SavedRuns:
    """Saves the runs of one project, and finds what was saved of them."""

    __slots__ = (
        "_engine",
        "_has_found",
        "_is_closed",
        "_is_saving",
        "_journal",
        "_look_at",
        "_project_id",
        "_reader",
        "_runs",
        "_saved",
        "_timer",
        "_told",
        "_waiting",
    )

    def __init__(self, project_id: str, runs: KeptRuns, journal: Journal, reader: Reader, engine: Engine) -> None:
        self._project_id = project_id
        self._runs = runs
        self._journal = journal
        self._reader = reader
        self._engine = engine
        self._saved = 0
        """The offset of the last snapshot that this node knows of, in the log's epoch."""
        self._look_at = 0
        """The offset at which to look next if it is time to save."""
        self._is_saving = False
        self._timer: Timer | None = None
        self._is_closed = False
        self._told: Told | None = None
        self._waiting: list[Known] = []
        """Who waits for what was saved. A cursor, a feed, a save and a look wait at most once each."""
        self._has_found = False
        """True once it was found out what can be known of the runs in this log."""

    def close(self) -> None:
        """Begin nothing more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()

    # Saving

    def appended(self, last: int) -> None:
        """The log went on to the offset `last`, and the runs that it has with it."""
        if last < self._look_at:
            return
        self._look_at = last + min(LOOK_EVERY, max(1, self._journal.log.limits.messages // LOOK_EVERY))
        if self._timer is None:
            self._plan()
        if not self._is_saving and self._is_due():
            self._save()

    def replaced(self) -> None:
        """The log is another one."""
        self._saved = self._look_at = 0
        self._told = None
        self._has_found = False

    def _plan(self) -> None:
        if not self._is_closed:
            self._timer = self._engine.scheduler.call_later(SAVE_S, self._time_is_up)

    def _time_is_up(self) -> None:
        self._timer, self._look_at = None, 0
        if not self._is_saving and self._journal.call.written > self._saved:
            self._save()

    def _is_due(self) -> bool:
        """True if the last snapshot has fallen into the older part of what is retained. A node that only reads leaves
        it to the writer for longer."""
        log = self._journal.log
        share = 0.5 if self._journal.call.written > self._saved else 0.75
        if log.head - self._saved >= log.limits.messages * share:
            return True
        return log.bytes >= log.limits.bytes * share and self._saved < log.head - len(log) * share

    def _save(self) -> None:
        self._is_saving = True
        self.find(self._keep)

    def _keep(self, fault: CommandError | None) -> None:
        log = self._journal.log
        if fault is not None or self._is_closed:
            self._is_saving = False  # the timer tries again
            return
        if not self._is_due() and self._journal.call.written <= self._saved:
            self._is_saving = False  # another node has saved it
            return
        fold = self._runs.newest()
        data, push = self._fitted(fold)
        position = Position(log.epoch, fold.offset)
        self._told = Told(position, push)
        what = Snapshot(position.epoch, position.offset, data)
        self._engine.store.snapshots.keep(self._project_id, what, partial(self._kept, position))

    def _kept(self, position: Position, answer: bool | Unavailable) -> None:
        self._is_saving = False
        if isinstance(answer, Unavailable):
            self._engine.counters.run_snapshots["failed"] += 1
            return
        self._engine.counters.run_snapshots["kept" if answer else "refused"] += 1
        if position.epoch == self._journal.log.epoch:
            self._saved = max(self._saved, position.offset)  # if it was refused, another node's is as new

    def _fitted(self, fold: Fold) -> tuple[bytes, bytes]:
        position = Position(self._runs.epoch, fold.offset)

        def push(fields: Fields) -> bytes:
            return replies.snapshot(self._project_id, position, snapshots.told(fields))

        return fitted(fold, self._engine.limits.run_snapshot_bytes, push)

    # Telling

    def place(self, done: Placed, is_wanted: IsWanted) -> None:
        """Find where a new cursor starts that begins with the snapshot. Where nothing is known of runs, the snapshot is
        empty, and what is retained of the log follows it."""

        def found(fault: CommandError | None) -> None:
            if fault is not None:
                done(fault)
            elif _is_empty(fold := self._runs.newest()):
                self._reader.place(None, OFFSET_MAX, partial(self._start_before, fold, done), is_wanted)
            else:
                told = self._tell(fold)
                done(Start(told.position.offset, True, told.push))

        self.find(found, is_wanted)

    def _start_before(self, fold: Fold, done: Placed, start: Start | CommandError) -> None:
        if isinstance(start, Start):
            position = Position(self._reader.epoch, start.offset)
            push = replies.snapshot(self._project_id, position, snapshots.told(snapshots.snapshot_of(fold)))
            start = Start(start.offset, True, push)
        done(start)

    def _tell(self, fold: Fold) -> Told:
        if self._told is None or not self._is_new_enough(self._told.position):
            self._told = Told(Position(self._runs.epoch, fold.offset), self._fitted(fold)[1])
        return self._told

    def _is_new_enough(self, position: Position) -> bool:
        log = self._journal.log
        return position.epoch == log.epoch and log.covers(position.offset) and log.head - position.offset <= TOLD_AGAIN

    # Finding

    def find(self, done: Known, is_wanted: IsWanted = lambda: True) -> None:
        """Call `done` once the fold of the runs knows as much as this node can find out, from memory and from the
        store; or with the reason why the store cannot be asked."""

        def known(fault: CommandError | None) -> None:
            if fault is not None:
                done(fault)
            elif self._is_found():
                done(None)
            else:
                self._waiting.append(done)
                if len(self._waiting) == 1:
                    self._ask()

        self._journal.when_known(known, is_wanted)

    def are_known(self) -> bool:
        """True if this node knows which runs are open and which decisions are not sent. If not, it begins to find out:
        ask again soon. False for projects without runs, too, of which nothing is read."""
        runs = self._runs
        if not runs.have_begun():
            return False
        is_wanted = not self._has_found or runs.newest().is_under_way  # a fold that was given up needs more memory
        if is_wanted and not self._is_found() and not self._waiting:
            self.find(_nobody_waits)
        return not is_wanted or self._is_found()

    def _is_found(self) -> bool:
        """True if the store need not be asked. Memory may have the log from its first entry."""
        if not self._runs.is_complete and self._journal.log.first == 1:
            self._runs.newest()
        return self._runs.is_complete

    def _answer(self, fault: CommandError | None) -> None:
        waiting, self._waiting = self._waiting, []
        self._has_found |= fault is None
        for done in waiting:
            done(fault)

    def _ask(self) -> None:
        epoch = self._journal.log.epoch
        self._engine.store.snapshots.newest(self._project_id, partial(self._saved_was, epoch))

    def _saved_was(self, epoch: str, answer: Snapshot | Unavailable | None) -> None:
        if isinstance(answer, Unavailable):
            self._answer(store_unavailable(answer, self._engine.chance))
        elif self._journal.log.epoch != epoch:
            self._ask()  # another log has replaced it meanwhile
        elif answer is not None and answer.epoch == epoch and answer.offset > self._journal.log.head:
            self._journal.refresh(partial(self._looked, epoch, answer))  # another node has written since
        else:
            self._begin_with(epoch, answer)

    def _looked(self, epoch: str, answer: Snapshot, fault: CommandError | None) -> None:
        if fault is not None:
            self._answer(fault)
        else:
            self._begin_with(epoch, answer)

    def _begin_with(self, epoch: str, saved: Snapshot | None) -> None:
        log, fold = self._journal.log, None
        if log.epoch != epoch:
            self._ask()
            return
        if saved is not None and saved.epoch == log.epoch and saved.offset <= log.head:
            try:
                fold = snapshots.load(saved.data)
            except snapshots.SnapshotUnreadable:
                fold = None  # an older or a newer gateway wrote it
            self._saved = max(self._saved, saved.offset if fold is not None else 0)
        if fold is None and self._runs.look() is not None:
            self._runs.is_complete = True  # nobody knows more of the runs than this node has folded
            self._answer(None)
            return
        self._read_on(_Making(log.epoch, fold, 0 if fold is not None else log.beginning))

    def _read_on(self, making: _Making) -> None:
        """Go on until memory has what follows."""
        log = self._journal.log
        if making.epoch != log.epoch:
            self._ask()
        elif log.covers(making.offset):
            self._adopt(making)
        elif making.pages == PAGES_MAX:
            self._adopt(_Making(log.epoch, None, log.first - 1))
        else:
            making.pages += 1
            self._reader.page(making.epoch, making.offset, PAGE_MESSAGES, PAGE_BYTES, partial(self._page, making))

    def _page(self, making: _Making, answer: Page | CommandError) -> None:
        if isinstance(answer, CommandError):
            self._answer(answer)
            return
        if making.epoch == answer.epoch:
            making.take(answer, self._project_id)
        self._read_on(making)

    def _adopt(self, making: _Making) -> None:
        """What follows is in memory."""
        log = self._journal.log
        if making.fold is None:
            entries = log.after(making.offset, len(log), log.bytes)
            making.begin(self._project_id, [entry.payload for entry in entries])
        assert making.fold is not None, "it has begun"
        self._runs.adopt(making.fold, making.began_at)
        self._answer(None)


class _Making:
    """A fold that is being made of what is retained."""

    __slots__ = ("began_at", "epoch", "fold", "pages")

    def __init__(self, epoch: str, fold: Fold | None, began_at: int) -> None:
        self.epoch = epoch
        self.fold = fold
        """None before its first entry."""
        self.began_at = began_at
        self.pages = 0

    @property
    def offset(self) -> int:
        return self.began_at if self.fold is None else self.fold.offset

    def begin(self, project_id: str, payloads: list[bytes]) -> None:
        """Begin before these entries. Older ones may be gone."""
        self.fold = Fold(project_id)
        self.fold.offset = self.began_at
        self.fold.messages.truncated = self.began_at > 0
        for run in runs_without_beginning(payloads) if self.began_at else ():
            self.fold.runs.put(run)

    def take(self, page: Page, project_id: str) -> None:
        """Fold a page. If something is missing before it, begin with it."""
        payloads = page.payloads
        if not page.recovered:
            self.fold, self.began_at = None, page.after
        if self.fold is None:
            self.begin(project_id, payloads)
        assert self.fold is not None, "it has begun"
        for payload in payloads:
            self.fold.publication(payload)
        self.fold.offset = page.last


def _nobody_waits(_fault: CommandError | None) -> None:
    """For a look that comes again."""


def _is_empty(fold: Fold) -> bool:
    return not (fold.messages.list or fold.runs.runs or fold.ends.ended or fold.ends.interrupts) and (
        fold.state is NO_STATE
    )
