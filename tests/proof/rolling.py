"""Rolling deployments under load: the new node starts, the old one gets SIGTERM, and nobody loses anything.

Run alone: python -m tests.proof.rolling --rounds 5
"""

from dataclasses import dataclass
from random import Random

from demo.resources import create_resources
from demo.testing import running_emulator
from tests.proof.command import run_alone
from tests.proof.crowd import Crowd, Delivery
from tests.proof.node import NodeProcess

DRAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class RollingReport:
    """The figures of one proof. `goodbyes`: how many times anybody was asked to come back, `reconnects`: how many times
    anybody did; `longest_gap_s`: the longest that anybody was without a live subscription."""

    rounds: int
    watchers: int
    delivery: Delivery
    exit_codes: list[int]
    goodbyes: int
    reconnects: int
    longest_gap_s: float

    def __str__(self) -> str:
        return (
            f"{self.rounds} replacements, {self.watchers} clients, {self.delivery}; exit codes {self.exit_codes}; "
            f"{self.goodbyes} goodbyes, {self.reconnects} reconnects; "
            f"longest time without a subscription {self.longest_gap_s:.2f} s"
        )


async def prove_rolling(rounds: int, watchers: int, seed: int) -> RollingReport:
    """Replace the node `rounds` times while it is published to."""
    with running_emulator() as emulator:
        settings = {**create_resources(emulator.url), "DRAIN_SECONDS": str(DRAIN_SECONDS)}
        node = NodeProcess(settings)
        await node.start()
        urls = [node.url]  # what a load balancer would send new connections to; shared with all clients
        crowd = Crowd("proj_rolling", urls, Random(seed), watchers=watchers, publishers=4)
        exit_codes: list[int] = []
        async with crowd.at_work():
            for count in range(1, rounds + 1):
                old, node = node, NodeProcess(settings)
                exit_codes.append(await _replace(old, node, urls, crowd))
                await crowd.subscribed(count + 1)
                await crowd.level(crowd.head)
        exit_codes.append(await node.stop())
    return RollingReport(
        rounds,
        watchers,
        crowd.delivery(),
        exit_codes,
        goodbyes=sum(watcher.goodbyes for watcher in crowd.watchers),
        reconnects=crowd.reconnects,
        longest_gap_s=max(watcher.longest_gap_s for watcher in crowd.watchers),
    )


async def _replace(old: NodeProcess, new: NodeProcess, urls: list[str], crowd: Crowd) -> int:
    """Start the new node, let both serve for a while, stop the old one; its exit code."""
    await crowd.advance(100)
    await new.start()
    urls.append(new.url)
    await crowd.advance(100)
    urls.remove(old.url)
    return await old.stop()


if __name__ == "__main__":
    run_alone(prove_rolling, rounds=5, watchers=50, seed=1)
