"""Storms against slow stores in virtual time, small enough for every run. `make storm` has them in full size."""

from collections import Counter
from collections.abc import Callable
from typing import Final

import pytest

from tests.simulation import planted_storm
from tests.simulation.planted import planted
from tests.simulation.storm import ARRIVAL_S, PAUSE_S, Figures, StormPlan, storm
from websocket_handler.adapters.overload.budget import BudgetOptions
from websocket_handler.adapters.overload.limit import LimitOptions

SLOW: Final = StormPlan(clients=400, projects=20, calls_per_s=10.0, records_s=60.0, level_max_s=60.0)
MANY: Final = StormPlan(clients=240, projects=120, calls_per_s=12.0, level_max_s=200.0)
LEAVING: Final = StormPlan(clients=400, projects=40, calls_per_s=10.0, leaving=30, level_max_s=60.0)
BUDGET: Final = BudgetOptions(share=0.1, per_second=0.5, most=5.0)
REFUSING: Final = StormPlan(clients=200, projects=20, calls_per_s=10.0, refuses=True, budget=BUDGET, level_max_s=100.0)
BUSY: Final = StormPlan(clients=120, projects=20, calls_per_s=50.0, busy_s=2.1, level_max_s=60.0)
NEEDED_CALLS: Final = ("openings", "looks", "pages")


def check_slow(figures: Figures) -> None:
    """A storm against a store that takes 10 calls in a second.

    A project needs 6 calls: the end of its log, its beginning, the segment with which its first page begins, and 3
    pages (40 of its 50 segments are not in memory, and a page holds 15 of them). 20 projects need 120 calls, which
    take 12 s. So everybody has to be level after 22 s.
    """
    plan = figures.plan
    assert (plan.necessary_calls, plan.level_due_s) == (120, 22.0)
    assert figures.level == plan.clients, "nobody is refused for good"
    assert figures.level_s <= plan.level_due_s
    assert figures.calls["openings"] == plan.projects, "each log is opened once"
    assert figures.calls["pages"] <= 1.5 * plan.projects * 3, "clients that gave up too early need some pages again"
    assert sum(figures.calls[kind] for kind in NEEDED_CALLS) <= 2 * plan.necessary_calls
    assert figures.calls["records"] <= 3, "records wait"
    assert figures.recorded == plan.clients, "and are written in the end"
    assert (figures.retries, figures.unanswered) == (0, 0)
    assert figures.under_way_most <= LimitOptions().calls_max / 2, "fewer than the store could answer in time"
    assert figures.waiting_most <= 2 * plan.projects, "a log has one reader and one writer"


def check_many(figures: Figures) -> None:
    """Two clients on each of 120 projects: 720 calls, which take 60 s. Nobody waits for so long, so most are refused,
    and those who come back too early or too late cost some pages twice."""
    plan = figures.plan
    assert figures.level == plan.clients, "nobody is refused for good"
    assert figures.level_s <= 1.5 * plan.level_due_s
    assert figures.calls["openings"] == plan.projects
    hints = [(at, hint) for at, hint in figures.hints if hint is not None]
    assert len(hints) == len(figures.hints) > plan.clients, "everybody was told when to come back"
    assert min(hint for _, hint in hints) >= 1000
    assert max(hint for _, hint in hints) > 4000, "the longer the queue, the later"


def check_leaving(figures: Figures) -> None:
    """The clients of 30 out of 40 projects are gone before the store has time for them. In the 3.5 s until then, it
    answers 35 calls, which open 17 logs, and up to 8 more are being opened; after that, only those of the other ten."""
    plan = figures.plan
    assert figures.level == plan.clients // 4
    assert figures.level_s <= plan.level_due_s
    assert figures.calls["openings"] <= 10 + 17 + LimitOptions().calls_first
    assert figures.calls["pages"] <= 1.5 * 10 * 3


def check_refusing(figures: Figures) -> None:
    """A store that throttles whatever it has no time for at once."""
    plan = figures.plan
    assert figures.level == plan.clients, "nobody is refused for good"
    first_tries = sum(figures.calls.values()) - figures.retries
    assert figures.retries <= BUDGET.share * first_tries + BUDGET.per_second * figures.level_s + BUDGET.most
    assert sum(figures.calls.values()) <= 10 * plan.necessary_calls, "it is not asked as fast as it can refuse"
    (moment, together), *_ = Counter(at for at, _ in figures.hints).most_common(1)
    hints = {hint for at, hint in figures.hints if at == moment}
    assert len(hints) > together / 2 > 4, "who was refused together does not come back together"


def check_busy(figures: Figures) -> None:
    """The node's event loop is busy for 2.1 s at a stretch, longer than the deadline of a call, and the store is quick:
    it carries out 100 calls meanwhile. So one call after the other costs a stretch, and 120 calls, of which 8 are under
    way at a time, take 15 stretches."""
    plan = figures.plan
    assert figures.level == plan.clients
    stretches = plan.necessary_calls / LimitOptions().calls_first
    assert figures.level_s <= ARRIVAL_S + stretches * (plan.busy_s + PAUSE_S), (
        "the limit is never below its first value"
    )
    assert figures.refusals == {}
    assert figures.calls["openings"] == plan.projects
    assert (figures.retries, figures.unanswered) == (0, 0), "an answer that is there is taken"


STORMS: Final[dict[str, tuple[StormPlan, Callable[[Figures], None]]]] = {
    "slow": (SLOW, check_slow),
    "many": (MANY, check_many),
    "leaving": (LEAVING, check_leaving),
    "refusing": (REFUSING, check_refusing),
    "busy": (BUSY, check_busy),
}


@pytest.mark.parametrize("name", STORMS)
def test_a_storm_ends_although_the_store_is_slow(name: str) -> None:
    plan, check = STORMS[name]
    figures = storm(plan)
    assert figures.faults == []
    check(figures)


@pytest.mark.parametrize("name", planted_storm.PLANTS)
def test_each_protection_is_missed_when_it_is_taken_out(name: str) -> None:
    plan, check = STORMS[planted_storm.MISSED_IN[name]]
    with planted(name, planted_storm.PLANTS):
        figures = storm(plan)
    if not figures.faults:
        with pytest.raises(AssertionError):
            check(figures)
