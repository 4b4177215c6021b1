"""One open project: its journal, its subscribers and its feeds."""

from collections.abc import Callable

from websocket_handler.logs.engine import Engine
from websocket_handler.logs.fan_out import FanOut
from websocket_handler.logs.feed import Feed, PageLimits
from websocket_handler.logs.journal import Guard, Journal
from websocket_handler.logs.kept_runs import KeptRuns
from websocket_handler.logs.page import Page
from websocket_handler.logs.reader import Reader
from websocket_handler.logs.saved_runs import SavedRuns
from websocket_handler.ports.log_store import always
from websocket_handler.protocol.messages import Position


class Project:
    """Joins the parts of one project. The journal writes. It tells the push cursors, and the project wakes the
    feeds."""

    __slots__ = ("_has_runs", "fan_out", "feeds", "journal", "project_id", "reader", "runs", "saved_runs", "used_at")

    def __init__(self, project_id: str, engine: Engine) -> None:
        self.project_id = project_id
        self.used_at = engine.clock.monotonic()
        self.journal = Journal(project_id, engine, self)
        self.reader = Reader(project_id, self.journal, engine)
        self.fan_out = FanOut(project_id, self.reader, engine)
        self.runs = KeptRuns(project_id, lambda: self.journal.log, engine.violations, self._guard)
        self.saved_runs = SavedRuns(project_id, self.runs, self.journal, self.reader, engine)
        self._has_runs = engine.has_runs
        self.feeds: dict[Feed, None] = {}
        self.journal.open()

    def _guard(self, guard: Guard | None) -> None:
        self.journal.guard = guard

    # journal.Observer

    def appended(self, page: Page) -> None:
        """See `Observer`."""
        self.fan_out.appended(page)
        if self._has_runs:
            self.runs.appended(page)
            if self.journal.guard is not None:  # the log has runs
                self.saved_runs.appended(page.last)
        if self.feeds:
            self.wake()

    def replaced(self, end: Position, beginning: int) -> None:
        """See `Observer`."""
        self.fan_out.replaced(end, beginning)
        if self._has_runs:
            self.runs.replaced()
            self.saved_runs.replaced()
        self.wake()

    # Feeds

    def feed(
        self,
        limits: PageLimits,
        *,
        after: int = 0,
        epoch: str | None = None,
        folds: bool = False,
        is_over: Callable[[], bool] = lambda: False,
        is_wanted: Callable[[], bool] = always,
    ) -> Feed:
        """Make a pull cursor. It keeps the project open until it is closed."""
        return Feed(self, limits, after=after, epoch=epoch, folds=folds, is_over=is_over, is_wanted=is_wanted)

    def wake(self) -> None:
        """Wake every feed."""
        for feed in list(self.feeds):
            feed.wake()

    # Life

    def close(self) -> None:
        """Nothing may be under way, and nobody may need the project."""
        self.journal.close()
        self.saved_runs.close()

    @property
    def is_followed(self) -> bool:
        """True while somebody follows or reads, and so wants to know what other nodes write."""
        return not self.fan_out.is_empty or bool(self.feeds)

    @property
    def is_idle(self) -> bool:
        """True while nobody follows, reads, publishes or waits, and no agent has the lease of a run."""
        return self.journal.is_idle and not self.is_followed and not self.runs.has_leases
