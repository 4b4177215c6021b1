"""Schedules of agents with runs break no promise about leases and decisions, and planted bugs are found."""

from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec
import pytest

from tests.simulation.planted import planted
from tests.simulation.planted_updates import Patch
from tests.simulation.run_plays import broken_by
from websocket_handler.delivery import decisions
from websocket_handler.logs.journal import Journal
from websocket_handler.logs.kept_runs import KeptRuns

SCHEDULES = 12
SEEDS_MAX = 12
"""In how many schedules a planted bug has to be found."""


def conditions_are_not_looked_at() -> list[Patch]:
    publish_if: Any = Journal.publish_if

    def changed(self: Any, _condition: Any, publications: Any, done: Any) -> None:
        publish_if(self, lambda: None, publications, done)

    return [(Journal, "publish_if", changed)]


def late_events_are_not_refused() -> list[Patch]:
    return [(KeptRuns, "_refuse", lambda _self, _publication: None)]


def a_node_refuses_what_it_has_not_read() -> list[Patch]:
    return [(Journal, "_may_be_behind", lambda _self, _waiting: False)]


def the_guard_goes_with_the_fold() -> list[Patch]:
    let_go: Any = KeptRuns.let_go

    def changed(self: Any) -> None:
        let_go(self)
        self._guarding(None)

    return [(KeptRuns, "let_go", changed)]


def an_answer_needs_no_open_question() -> list[Patch]:
    return [(decisions, "_is_open", lambda _project, _interrupt_id: None)]


def each_task_has_an_id_of_its_own() -> list[Patch]:
    ids = count()
    task: Any = decisions.Decisions._task

    def changed(self: Any, *what: Any) -> Any:
        made = task(self, *what)
        return made and msgspec.structs.replace(made, message_id=f"{made.message_id}-{next(ids)}")

    return [(decisions.Decisions, "_task", changed)]


PLANTS: dict[str, Callable[[], list[Patch]]] = {
    plant.__name__.replace("_", " "): plant
    for plant in (
        conditions_are_not_looked_at,
        late_events_are_not_refused,
        a_node_refuses_what_it_has_not_read,
        the_guard_goes_with_the_fold,
        an_answer_needs_no_open_question,
        each_task_has_an_id_of_its_own,
    )
}


def test_no_schedule_of_runs_breaks_a_promise() -> None:
    seen: Counter[str] = Counter()
    found = {seed: broken_by(seed, seen) for seed in range(SCHEDULES)}
    assert {seed: faults for seed, faults in found.items() if faults} == {}
    for wanted in ("RUN_STARTED", "wsh.alive", "wsh.stalled", "RUN_ERROR", "wsh.decided", "wsh.answered"):
        assert seen[wanted] > SCHEDULES, f"the schedules hardly contain: {wanted}"


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_of_runs_is_found(name: str) -> None:
    with planted(name, PLANTS):
        assert any(broken_by(seed) for seed in range(SEEDS_MAX)), f"{name}: not found"
