"""What the agents do now, as far as this node knows: from the runs of the projects that are open here."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from websocket_handler.delivery.node import Node
from websocket_handler.hub.log import Publication
from websocket_handler.logs.project import Project
from websocket_handler.logs.runs.lost import LOST_CODE
from websocket_handler.logs.runs.open_runs import Run
from websocket_handler.protocol.names import Agent

RUNS_LISTED_MAX: Final = 200
"""So many runs of all agents together are listed. Of more, only their number is told."""
AGENTS_MAX: Final = 32
"""So many agents are told apart. Publishers choose the name in their events; what has no place counts as nobody's."""
NAME_CHARACTERS_MAX: Final = 64
NOBODY: Final = ""
"""The agent of runs that do not say whose they are."""
State = Literal["waiting", "working", "stalled"]


@dataclass(frozen=True, slots=True)
class Task:
    """An open run. `heard_at` is the wall-clock second of its agent's last event; None if the log in memory no longer
    holds that event, or while the task waits for an agent."""

    project_id: str
    run_id: str
    attempt: int
    state: State
    heard_at: float | None


@dataclass(slots=True)
class AtWork:
    """An agent, and what it works on."""

    agent: str
    seen_at: float | None = None
    """The wall-clock second of the last event that it published in an open run, or with which it ended one."""
    tasks: list[Task] = field(default_factory=list)
    count: int = 0
    """How many open runs it has, listed or not."""

    def seen(self, at: float | None) -> None:
        """Note a sign of life."""
        if at is not None:
            self.seen_at = at if self.seen_at is None else max(self.seen_at, at)


def agents_at_work(node: Node) -> list[AtWork]:
    """The gateway's agents, and those that runs name beside them, with their open runs in the order of their start in
    each project."""
    found = {agent.value: AtWork(agent.value) for agent in Agent}
    listed = 0
    for project in node.projects:
        fold = project.runs.now()
        if fold is None:
            continue
        for run in fold.runs.runs.values():
            task, name = _task(project, run), _agent_of(project, run)
            of_agent = _place(found, name)
            of_agent.count += 1
            of_agent.seen(task.heard_at)
            if listed < RUNS_LISTED_MAX:
                listed += 1
                of_agent.tasks.append(task)
        ended = next(reversed(fold.ends.ended.values()), None)
        if ended is not None and ended.get("code") != LOST_CODE:  # that one the gateway has ended
            for entry in _entry_at(project, ended["offset"]):
                _place(found, _named_in(entry)).seen(entry.published_at)
    return [each for name, each in found.items() if name != NOBODY or each.count]


def _place(found: dict[str, AtWork], name: str) -> AtWork:
    if name not in found and len(found) >= AGENTS_MAX:
        name = NOBODY
    return found.setdefault(name, AtWork(name))


def _task(project: Project, run: Run) -> Task:
    state: State = "waiting" if run.is_waiting else "stalled" if run.is_stalled else "working"
    heard_at = None
    if not run.is_waiting:
        heard_at = next((entry.published_at for entry in _entry_at(project, run.heard)), None)
    return Task(project.project_id, run.run_id, run.attempt, state, heard_at)


def _agent_of(project: Project, run: Run) -> str:
    """Whose run it is: as its beginning says, or else its newest event."""
    for offset in (run.started, run.heard):
        for entry in _entry_at(project, offset):
            if name := _named_in(entry):
                return name
    return NOBODY


def _entry_at(project: Project, offset: int) -> Iterator[Publication]:
    """The entry of the log in memory at an offset, if it is there."""
    log = project.journal.log
    if log.first <= offset <= log.head:
        yield from (entry for entry in log.after(offset - 1, 1, 1) if entry.offset == offset)


def _named_in(entry: Publication) -> str:
    name = msgspec.json.decode(entry.payload).get("agent")
    return name[:NAME_CHARACTERS_MAX] if isinstance(name, str) else NOBODY
