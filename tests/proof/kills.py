"""`kill -9` at full speed, again and again: what was confirmed arrives once, in order, at everyone.

Run alone: python -m tests.proof.kills --rounds 20
"""

import time
from dataclasses import dataclass
from random import Random
from statistics import median

from demo.resources import create_resources
from demo.testing import running_emulator
from tests.proof.command import run_alone
from tests.proof.crowd import Crowd, Delivery
from tests.proof.node import NodeProcess
from tests.proof.witness import RETRY_MAX_S


@dataclass(frozen=True, slots=True)
class KillReport:
    """The figures of one proof. `level_s`: from each kill until everybody was back and had everything confirmed by
    then."""

    rounds: int
    watchers: int
    delivery: Delivery
    retries: int
    reconnects: int
    level_s: list[float]

    def __str__(self) -> str:
        return (
            f"{self.rounds} kills, {self.watchers} clients, {self.delivery}; {self.retries} retries, "
            f"{self.reconnects} reconnects; "
            f"kill to all level: median {median(self.level_s):.2f} s, max {max(self.level_s):.2f} s"
        )


async def prove_kills(rounds: int, watchers: int, seed: int, retry_max_s: float = RETRY_MAX_S) -> KillReport:
    """Kill one node `rounds` times while it is published to at full speed. Clients wait for at most `retry_max_s`
    before they try again."""
    random = Random(seed)
    with running_emulator() as emulator:
        node = NodeProcess(create_resources(emulator.url))
        await node.start()
        crowd = Crowd("proj_kills", [node.url], random, watchers=watchers, publishers=4, retry_max_s=retry_max_s)
        async with crowd.at_work():
            level_s = [await _kill(node, crowd, count, random) for count in range(1, rounds + 1)]
        await node.stop()
    return KillReport(
        rounds,
        watchers,
        crowd.delivery(),
        retries=sum(publisher.retries for publisher in crowd.publishers),
        reconnects=crowd.reconnects,
        level_s=level_s,
    )


async def _kill(node: NodeProcess, crowd: Crowd, count: int, random: Random) -> float:
    """Let it run until some more is confirmed, kill it for the `count`th time, start it, and wait until everybody is
    back and has caught up. So every kill cuts everybody off, exactly once."""
    await crowd.advance(random.randrange(50, 400))
    confirmed = crowd.head
    killed_at = time.monotonic()
    await node.kill()
    await node.start()
    await crowd.subscribed(count + 1)
    await crowd.level(confirmed)
    return time.monotonic() - killed_at


if __name__ == "__main__":
    run_alone(prove_kills, rounds=20, watchers=50, seed=1)
