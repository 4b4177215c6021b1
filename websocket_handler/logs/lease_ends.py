"""Says in the logs of the open projects which agents are silent, and ends their runs."""

from functools import partial

import msgspec

from websocket_handler.logs.engine import Engine
from websocket_handler.logs.leases import Silence
from websocket_handler.logs.project import Project
from websocket_handler.logs.projects import Projects
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.publication import PreparedPublication, prepare, read_object


class LeaseEnds:
    """One for all projects of a node."""

    def __init__(self, projects: Projects, engine: Engine) -> None:
        self._projects = projects
        self._engine = engine
        self._under_way: set[tuple[str, Silence]] = set()
        """What is being written. The store may take its time, and a look comes again and again."""

    def look(self) -> None:
        """Look at the runs of all open projects."""
        now, wall = self._engine.clock.monotonic(), self._engine.clock.wall()
        lease_s = self._engine.limits.run_lease_s
        for project in list(self._projects) if lease_s else ():
            if not (project.journal.call.is_known and project.saved_runs.are_known()):
                continue
            for silence in project.runs.silences(now, wall, lease_s):
                if (project.project_id, silence) not in self._under_way:
                    self._say(project, silence)

    def _say(self, project: Project, silence: Silence) -> None:
        fold = project.runs.now()
        if fold is None or silence.is_over(fold):
            return
        publications = [_prepared(project, fields) for fields in silence.events(fold)]
        name = (project.project_id, silence)
        self._under_way.add(name)
        try:
            project.journal.publish_if(partial(_still, project, silence), publications, partial(self._said, name))
        except CommandError:  # the next look comes soon
            self._under_way.discard(name)

    def _said(self, name: tuple[str, Silence], answer: Position | CommandError) -> None:
        if name in self._under_way:  # the first answer is that of all its events
            self._under_way.discard(name)
            if isinstance(answer, Position):
                self._engine.counters.runs_lost["lost" if name[1].is_stalled else "stalled"] += 1


def _prepared(project: Project, fields: dict[str, object]) -> PreparedPublication:
    return prepare(read_object(msgspec.json.encode(fields)), project.project_id)


def _still(project: Project, silence: Silence) -> CommandError | None:
    """None if the agent is still silent where the log ends now."""
    if silence.is_over(project.runs.now()):
        return CommandError(ErrorCode.CONFLICT, f"run {silence.run_id} goes on otherwise")
    return None
