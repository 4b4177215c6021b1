"""The open projects of one node. They are opened when somebody needs them and closed when nobody does, and limits hold
for all of them together."""

from collections.abc import Iterator
from itertools import chain
from typing import Final

from websocket_handler.logs.common_log import CommonLog
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.project import Project
from websocket_handler.protocol.codec import invalid_project_id
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.names import is_project_id

EPOCHS_PER_SWEEP: Final = 100
"""How many empty logs a sweep keeps at most. The others wait for the next sweep, long before it is too late."""


class Projects:
    """The open projects by their ids."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.open: dict[str, Project] = {}
        """Other classes may only look at it."""
        self.common: dict[str, CommonLog] = {}
        """The logs that this node shares with the others. They stay open. Their ids are no client's project ids."""
        self.own_engines: dict[str, Engine] = {}
        """The engines of the logs that are this node's alone, by their ids."""
        self.own: dict[str, Project] = {}
        """The logs that are this node's alone. Once open, they stay so, and they count for no limit."""

    def __iter__(self) -> Iterator[Project]:
        return iter(self.open.values())

    def __len__(self) -> int:
        return len(self.open)

    def __contains__(self, project_id: str) -> bool:
        return project_id in self.open

    def find(self, project_id: str) -> Project | None:
        """The project if it is open, or the log of the node, or the common log."""
        return self.open.get(project_id) or self.own.get(project_id) or self.common.get(project_id)

    def share(self, log: CommonLog) -> None:
        """From now on, look for what other nodes write to this log, too."""
        self.common[log.project_id] = log

    @property
    def shared(self) -> Iterator[Project]:
        """All logs to which other nodes may write."""
        return chain(self.common.values(), self.open.values())

    def get(self, project_id: str) -> Project:
        """The project; it is opened if it is not open yet. Raises CommandError: `invalid_project_id`,
        `too_many_projects`."""
        project = self.open.get(project_id)
        if project is None:
            if project_id in self.own_engines:
                return self._get_own(project_id)
            if not is_project_id(project_id):
                raise invalid_project_id()
            if len(self.open) >= self._engine.limits.projects:
                self._close_one_idle()
            project = self.open[project_id] = Project(project_id, self._engine)
        project.used_at = self._engine.clock.monotonic()
        return project

    def _get_own(self, project_id: str) -> Project:
        project = self.own.get(project_id)
        if project is None:
            project = self.own[project_id] = Project(project_id, self.own_engines[project_id])
        return project

    def _close_one_idle(self) -> None:
        idle = [project for project in self if project.is_idle]
        if not idle:
            raise CommandError(ErrorCode.TOO_MANY_PROJECTS, "this node holds as many projects as it can")
        self._close(min(idle, key=lambda project: project.used_at))

    def _close(self, project: Project) -> None:
        project.close()
        del self.open[project.project_id]

    def sweep(self) -> None:
        """Close idle projects, remove publications that are too old, and keep the total within its maximum. Called
        every few seconds."""
        limits, clock = self._engine.limits, self._engine.clock
        now, wall = clock.monotonic(), clock.wall()
        for log in chain(self.common.values(), self.own.values()):
            log.journal.log.trim(wall)
        for project in list(self):
            project.journal.log.trim(wall)
            if project.is_idle and project.used_at < now - limits.project_idle_s:
                self._close(project)
        self._keep_epochs()
        self._let_go_of_runs()
        excess = self.retained_bytes - limits.log_bytes_total
        for project in sorted(self, key=lambda project: project.used_at):
            if excess <= 0:
                return
            excess -= project.journal.log.shrink(max(0, project.journal.log.bytes - excess))

    def _let_go_of_runs(self) -> None:
        folded = [project for project in self if project.runs.size]
        excess = sum(project.runs.size for project in folded) - self._engine.limits.run_bytes_total
        for project in sorted(folded, key=lambda project: (project.runs.has_leases, project.used_at)):
            if excess <= 0:
                return
            excess -= project.runs.size
            project.runs.let_go()

    def _keep_epochs(self) -> None:
        """Keep the epochs of empty logs that somebody follows, as far as it is time."""
        kept = 0
        for project in list(self.shared) if self._engine.has_peers else ():
            if project.is_followed and project.journal.keep_epoch():
                kept += 1
                if kept == EPOCHS_PER_SWEEP:
                    return

    @property
    def retained_bytes(self) -> int:
        """How many bytes all logs in memory take."""
        return sum(project.journal.log.bytes for project in self)

    def wake_readers(self) -> None:
        """Wake every feed, because the node goes away, or because a visitor may have lost the right to read."""
        for project in chain(self, self.own.values()):
            project.wake()

    @property
    def is_settled(self) -> bool:
        """True if every accepted publication was answered."""
        return all(project.journal.is_settled for project in self.shared)
