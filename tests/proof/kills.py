"""`kill -9` at full speed, again and again: what was confirmed arrives once, in order, at everyone.

Run alone: python -m tests.proof.kills --rounds 20
"""

import argparse
import asyncio
import time
from dataclasses import dataclass
from random import Random

from demo.resources import create_resources
from demo.testing import running_emulator
from tests.proof.node import NodeProcess
from tests.proof.witness import Publisher, Watcher, check

PROJECT = "proj_kills"
PUBLISHERS = 4
LEVEL_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class KillReport:
    """The figures of one proof. `level_s`: from each kill until every client had everything confirmed by then."""

    rounds: int
    watchers: int
    confirmed: int
    lost: int
    doubled: int
    misplaced: int
    retries: int
    reconnects: int
    level_s: list[float]


async def prove_kills(rounds: int, watchers: int, seed: int) -> KillReport:
    """Kill one node `rounds` times while it is published to at full speed."""
    random = Random(seed)
    with running_emulator() as emulator:
        node = NodeProcess(create_resources(emulator.url))
        await node.start()
        people = [Watcher(f"watcher {i}", PROJECT, [node.url], Random(random.random())) for i in range(watchers)]
        writers = [
            Publisher(PROJECT, [node.url], Random(random.random()), first, PUBLISHERS) for first in range(PUBLISHERS)
        ]
        async with asyncio.TaskGroup() as tasks:
            watching = [tasks.create_task(person.run()) for person in people]
            await asyncio.gather(*(person.started.wait() for person in people))
            writing = [tasks.create_task(writer.run()) for writer in writers]
            level_s = [await _kill_once(node, people, writers, random) for _ in range(rounds)]
            for writer in writers:
                writer.stop()
            await asyncio.gather(*writing)
            await all_reached(people, head_of(writers))
            for task in watching:
                task.cancel()
        await node.stop()
    figures = check(people, writers)
    reconnects = sum(person.connections - 1 for person in people)
    retries = sum(writer.retries for writer in writers)
    return KillReport(rounds, watchers, **figures, retries=retries, reconnects=reconnects, level_s=level_s)


async def _kill_once(node: NodeProcess, people: list[Watcher], writers: list[Publisher], random: Random) -> float:
    """Let it run until some more is confirmed, kill it, start it, and wait until everybody has caught up."""
    wanted = head_of(writers) + random.randrange(50, 400)
    await asyncio.gather(*(person.reached(wanted) for person in people[:1]))
    confirmed = head_of(writers)
    await node.kill()
    killed_at = time.monotonic()
    await node.start()
    await all_reached(people, confirmed)
    return time.monotonic() - killed_at


def head_of(writers: list[Publisher]) -> int:
    """The highest offset that was confirmed to anybody."""
    return max((offset for writer in writers for _, offset in writer.confirmed.values()), default=0)


async def all_reached(people: list[Watcher], offset: int) -> None:
    """Wait until everybody has everything up to `offset`."""
    async with asyncio.timeout(LEVEL_TIMEOUT_S):
        await asyncio.gather(*(person.reached(offset) for person in people))


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--watchers", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    report = asyncio.run(prove_kills(arguments.rounds, arguments.watchers, arguments.seed))
    times = sorted(report.level_s)
    print(
        f"{report.rounds} kills, {report.watchers} clients, {report.confirmed} confirmed publications: "
        f"lost {report.lost}, doubled {report.doubled}, misplaced {report.misplaced}; "
        f"{report.retries} retries, {report.reconnects} reconnects; "
        f"kill to all level: median {times[len(times) // 2]:.2f} s, max {times[-1]:.2f} s"
    )


if __name__ == "__main__":
    main()
