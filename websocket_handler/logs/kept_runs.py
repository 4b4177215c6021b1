"""The fold of a project's runs, which a node keeps up to date while the project is open.

A long run publishes more than its log retains. Whoever joins it then cannot know how it began, unless somebody has
folded it from the beginning. The fold begins when this node sees a run start, or goes on with one that was saved
(`saved_runs.py`). When somebody asks before, it is made of what the node has of the log in memory: what goes on there
counts as open before.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec.json import decode

from websocket_handler.hub.log import ProjectLog, Publication
from websocket_handler.logs.journal import Guard
from websocket_handler.logs.leases import Leases, Silence, refusal
from websocket_handler.logs.local_log import RUN_ID
from websocket_handler.logs.page import Page
from websocket_handler.logs.runs import snapshot
from websocket_handler.logs.runs.batches import fold_all
from websocket_handler.logs.runs.beginnings import runs_without_beginning
from websocket_handler.logs.runs.events import Other, read_event
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.lost import LOST_CODE
from websocket_handler.logs.runs.open_runs import Run
from websocket_handler.logs.runs.vocabulary import Fields
from websocket_handler.logs.spelling import ESCAPE, has_field, has_type, may_have
from websocket_handler.logs.violations import Violations
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.publication import PreparedPublication

_RUN_STARTED: Final = b'"RUN_STARTED'
_BEGIN_OR_END: Final = b'"RUN_'
_ATTEMPT: Final = b'"attempt"'
MARK_EVERY: Final = 64
"""After so many publications, what is open is noted, for clients that come back."""
ENTRIES_AT_ONCE: Final = 64
"""So many entries are folded together: one after the other, each would cost many times as much."""
MARKS_MAX: Final = 256
LOOKED_AT: Final = 16
"""So many of the newest entries tell if a run goes on in a project that this node has just opened."""


class KeptRuns:
    """The runs of one project on this node."""

    __slots__ = (
        "_began_at",
        "_ended",
        "_fold",
        "_guarding",
        "_is_new",
        "_is_searched",
        "_is_strict",
        "_leases",
        "_log",
        "_marks",
        "_pending",
        "_project_id",
        "_violations",
        "epoch",
        "is_complete",
    )

    def __init__(
        self,
        project_id: str,
        log: Callable[[], ProjectLog],
        violations: Violations,
        guarding: Callable[[Guard | None], None],
    ) -> None:
        """`log` gives the newest entries of the project's log. `guarding` gets what refuses late events, as soon as
        the log has runs, and None when another log takes its place; see `Journal.guard`."""
        self._project_id = project_id
        self._log = log
        self._violations = violations
        self._fold: Fold | None = None
        self._pending: list[Page] = []
        """What was appended and is not folded yet."""
        self._began_at = 0
        """The offset behind which the fold began."""
        self._leases: Leases | None = None
        self._is_strict = True
        """True if an event may be late that names no attempt, or if nobody knows."""
        self._guarding = guarding
        self._ended: dict[str, Fields] = {}
        """How runs had ended when there was no room for the fold any more."""
        self._is_searched = False
        """True once it is known if the log has events of runs."""
        self._marks: deque[tuple[int, list[Run]]] = deque(maxlen=MARKS_MAX)
        """What was open at some offsets, the oldest first."""
        self._is_new = True
        """True until the first entry is appended to the log that this node has met."""
        self.epoch = ""
        """The epoch of the log that was folded."""
        self.is_complete = False
        """True if no store can tell more of the runs than this fold knows."""

    def appended(self, page: Page) -> None:
        """These entries are in the log now."""
        fold = self._fold
        if fold is None:
            for entry in page.entries:  # most projects have no runs, so most publications cost no more than this
                payload = entry.payload
                if _RUN_STARTED in payload or (ESCAPE in payload and has_type(_RUN_STARTED, payload)):
                    self._begin()
                    return
            if self._is_new:
                self._is_new = False
                self._begin_if_a_run_goes_on()
            return
        self._pending.append(page)
        if page.last - fold.offset >= ENTRIES_AT_ONCE:
            self._catch_up()
            return
        for entry in page.entries:
            payload = entry.payload
            if _BEGIN_OR_END in payload or (ESCAPE in payload and has_type(_BEGIN_OR_END, payload)):
                self._catch_up()
                return

    def _catch_up(self) -> None:
        """Fold the pages that wait."""
        pages = self._pending
        self._pending = []
        fold = self._fold
        entries: list[Publication] = []
        for page in pages:
            if (
                fold is None
                or (entries[-1].offset if entries else fold.offset) < page.after
                or page.epoch != self.epoch
            ):
                self._begin()  # with all entries that are in the log by now
                return
            entries += page.entries
        if fold is not None and entries:
            for first in range(0, len(entries), MARK_EVERY):
                for folded in fold_all(fold, entries[first : first + MARK_EVERY]):
                    self._violations.saw(self._project_id, fold.offset, folded)
                self._mark(fold)
            self._judge()

    def replaced(self) -> None:
        """The log is another one, or has moved on without these entries."""
        self.let_go()
        self._ended = {}
        has_runs = self._log_has_runs()
        self._is_searched = not has_runs
        self._guarding(self._refuse if has_runs else None)

    def let_go(self) -> None:
        """There is no room for the fold. It is made again when somebody asks, or when a run goes on. Which
        attempts are over is not forgotten."""
        if self._fold is not None:
            self._ended = self._fold.ends.ended
        self._fold = self._leases = None
        self._is_searched, self._is_strict = False, True
        self._pending = []
        self._marks.clear()
        self._is_new = True
        self.is_complete = False

    def adopt(self, fold: Fold, began_at: int) -> None:
        """Go on with a fold that knows what happened behind the offset `began_at`, or from the beginning if that is 0.
        What follows it is in memory. No store can tell more."""
        log = self._log()
        self._catch_up()  # what waits was not counted yet
        self._fold, self.epoch, self._began_at = fold, log.epoch, began_at
        self._ended = {}
        self._guarding(self._refuse)
        self.is_complete = True
        self._marks.clear()
        self._mark(fold)
        for entry in log.after(fold.offset, len(log), log.bytes):
            fold.publication(entry.payload)
            self._mark(fold)
        self._judge()

    def have_begun(self) -> bool:
        """True if the log has events of runs, as far as memory holds it. It is searched once."""
        if self._fold is None and not self._is_searched:
            self._is_searched = True
            if self._log_has_runs():
                self._begin()
        return self._fold is not None

    def silences(self, now: float, wall: float, lease_s: float) -> list[Silence]:
        """The open runs whose agents have been silent for too long. `now` is monotonic, `wall` is wall-clock time."""
        if not self.have_begun():
            return []
        self._catch_up()
        assert self._fold is not None, "it has begun"
        if self._leases is None:
            self._leases = Leases()
        return self._leases.silences(self._fold, now, lease_s, lambda offset: wall - self._time_of(offset, wall))

    def _log_has_runs(self) -> bool:
        log = self._log()
        return any(has_field(RUN_ID, entry.payload) for entry in log.after(log.first - 1, len(log), log.bytes))

    def _time_of(self, offset: int, otherwise: float) -> float:
        log = self._log()
        return log.after(offset - 1, 1, 1)[0].published_at if log.first <= offset <= log.head else otherwise

    def now(self) -> Fold | None:
        """What was folded until the end of the log, for a look at it; None if nothing was."""
        self._catch_up()
        return self._fold

    def _refuse(self, publication: PreparedPublication) -> CommandError | None:
        """Why a publication may not be written any more."""
        head = publication.head
        if not may_have(RUN_ID if self._is_strict else _ATTEMPT, head):  # nearly always
            return None
        if not may_have(RUN_ID, head):
            return None
        return refusal(self.newest(), decode(head + b"0}"))

    @property
    def has_leases(self) -> bool:
        """True if agents had leases at the last look."""
        return bool(self._leases)

    @property
    def size(self) -> int:
        """How many bytes the messages of the fold have."""
        self._catch_up()
        return self._fold.messages.size if self._fold is not None else 0

    def latest(self) -> Fold | None:
        """A fold of its own for somebody who reads on behind the newest entry of the log. None if more can be read from
        the log than was folded here."""
        fold = self._whole()
        return snapshot.load(snapshot.dump(fold)) if fold is not None else None

    def newest(self) -> Fold:
        """The fold of all entries that are in the log, for a look at it. It may lack a beginning."""
        self._catch_up()
        if self._fold is None:
            self._begin()
        assert self._fold is not None, "it has begun"
        return self._fold

    def look(self) -> Fold | None:
        """The fold itself, for a look at it: whoever changes it spoils it. None where `latest` is None."""
        return self._whole()

    def _whole(self) -> Fold | None:
        self._catch_up()
        if self._fold is None:
            self._begin()
        return self._fold if self._began_at <= self._log().beginning else None

    def open_at(self, offset: int) -> Fold | None:
        """A fold that knows which runs had ended at an offset not after this one, which were open, and what was open
        in them. Its messages are not there. None if that was not noted."""
        for marked, runs in reversed(self._marks) if self._whole() is not None else ():
            if marked <= offset:
                fold = Fold(self._project_id)
                fold.offset = marked
                for run in runs:
                    fold.runs.put(run.copy())
                ended = self._fold.ends.ended if self._fold is not None else {}
                fold.ends.ended.update({run_id: end for run_id, end in ended.items() if end["offset"] <= marked})
                return fold
        return None

    def _begin_if_a_run_goes_on(self) -> None:
        """A run may have started before this node opened the project."""
        log = self._log()
        after = max(log.first - 1, log.head - LOOKED_AT)
        newest = log.after(after, LOOKED_AT, log.bytes)
        if any(not isinstance(read_event(entry.payload), Other) for entry in newest):
            self._begin()

    def _begin(self) -> None:
        """Fold what the log has in memory."""
        log, fold = self._log(), Fold(self._project_id)
        self._fold, self.epoch = fold, log.epoch
        self._guarding(self._refuse)
        self._marks.clear()
        self._began_at = fold.offset = log.first - 1
        self.is_complete = not self._began_at
        fold.messages.truncated = self._began_at > 0
        entries = log.after(log.first - 1, len(log), log.bytes)
        for run in runs_without_beginning(entry.payload for entry in entries) if self._began_at else ():
            fold.runs.put(run)
        fold.ends.ended.update({name: end for name, end in self._ended.items() if end["offset"] <= self._began_at})
        self._ended = {}
        self._mark(fold)
        for entry in entries:
            fold.publication(entry.payload)
            self._mark(fold)
        self._judge()

    def _judge(self) -> None:
        fold = self._fold
        self._is_strict = fold is not None and (
            any(end.get("code") == LOST_CODE for end in fold.ends.ended.values())
            or any(run.attempt > 1 for run in fold.runs.runs.values())
        )

    def _mark(self, fold: Fold) -> None:
        if not self._marks or fold.offset >= self._marks[-1][0] + MARK_EVERY:
            self._marks.append((fold.offset, [run.copy() for run in fold.runs.runs.values()]))
