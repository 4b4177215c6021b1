"""Schedules of three nodes over a model of Valkey break no promise, and planted bugs are found."""

from collections import Counter

import pytest

from tests.simulation.cluster_world import run_cluster_seed, told
from tests.simulation.planted_cluster import PLANTS, planted_in_cluster

SCHEDULES = 20
"""`make simulation-cluster` runs ten thousand."""
SEEDS_MAX = 40
"""In how many schedules a planted bug has to be found."""
RARE = {
    "a fork is accepted after a failover": 180,
    "a key that was missed does not count": 3,
    "a node that starts learns of no revocation": 4,
    "a read shows what no replica has": 10,
    "a write does not know itself again": 14,
    "confirmed before a replica has it": 23,
    "nobody listens again after sunsubscribe": 152,
    "old entries of a common log are told again": 16,
    "who hears nothing counts as level": 19,
}
"""For bugs that the first schedules do not show: the first seed that shows it. The search begins there."""


def test_no_schedule_of_a_cluster_breaks_a_promise() -> None:
    results = [run_cluster_seed(seed) for seed in range(SCHEDULES)]
    broken = [result for result in results if result.violations]
    assert not broken, "\n".join(told(result) for result in broken[:10])
    seen: Counter[str] = Counter()
    for result in results:
        seen.update(result.counts)
        seen.update(kind.partition(" ")[0] for kind in result.injected)
    for wanted in ("deliveries", "confirmed", "recovered", "resets", "graceful", "crash", "split", "restart", "deaf"):
        assert seen[wanted], f"the schedules do not contain: {wanted}"


@pytest.mark.parametrize("seed", [1])
def test_the_same_seed_of_a_cluster_gives_the_same_trace(seed: int) -> None:
    assert run_cluster_seed(seed).trace_hash == run_cluster_seed(seed).trace_hash


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_of_a_cluster_is_found(name: str) -> None:
    first = RARE.get(name, 0)
    with planted_in_cluster(name):
        assert any(run_cluster_seed(seed).violations for seed in range(first, first + SEEDS_MAX)), f"{name}: not found"
