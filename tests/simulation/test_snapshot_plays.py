"""Whoever begins with a snapshot and goes on with the tail has what the whole log says, whichever nodes die. Planted
bugs are found."""

from collections import Counter

import pytest

from tests.simulation.planted import planted
from tests.simulation.planted_snapshots import PLANTS
from tests.simulation.snapshot_plays import SNAPSHOTS, run_snapshot_seed

SCHEDULES = 8
SEEDS_MAX = 4
"""In how many schedules a planted bug has to be found."""
RARE = {
    "a gap behind a snapshot is hidden": 34,
    "a snapshot of a lost log is used": 6,
    "a snapshot that may be loaded counts as whole": 34,
}
"""For bugs that the first schedules do not show: the first seed that shows it. The search begins there."""


def test_no_schedule_breaks_the_law_of_snapshots() -> None:
    results = [run_snapshot_seed(seed) for seed in range(SCHEDULES)]
    broken = [result for result in results if result.violations]
    assert not broken, "\n".join(
        f"{SNAPSHOTS.program} --seed {result.seed} --trace: {result.violations[:3]}" for result in broken
    )
    seen: Counter[str] = Counter()
    for result in results:
        seen.update(result.counts)
        seen.update(result.injected)
        if not result.injected["calls that failed"] + result.injected["snapshots lost"]:
            assert result.counts["truncated"] == 0, f"{SNAPSHOTS.program} --seed {result.seed}: something is missing"
    assert seen["whole"] > 3 * seen["truncated"], "a client is hardly ever told that something is missing"
    for wanted in ("snapshots", "agui", "crashes", "folds given up", "sweeps", "logs lost", "calls that failed"):
        assert seen[wanted], f"the schedules do not contain: {wanted}"


def test_the_same_seed_plays_the_same_schedule() -> None:
    assert run_snapshot_seed(3).trace_hash == run_snapshot_seed(3).trace_hash


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_in_snapshots_is_found(name: str) -> None:
    first = RARE.get(name, 0)
    with planted(name, PLANTS):
        assert any(run_snapshot_seed(seed).violations for seed in range(first, first + SEEDS_MAX)), f"{name}: not found"
