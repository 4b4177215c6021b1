"""Rolling deployments under load: the new node starts, the old one gets SIGTERM, and nobody loses anything.

Run alone: python -m tests.proof.rolling --rounds 5
"""

import argparse
import asyncio
from dataclasses import dataclass
from random import Random

from demo.resources import create_resources
from demo.testing import running_emulator
from tests.proof.kills import all_reached, head_of
from tests.proof.node import NodeProcess
from tests.proof.witness import Publisher, Watcher, check

PROJECT = "proj_rolling"
PUBLISHERS = 4
DRAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class RollingReport:
    """The figures of one proof. `longest_gap_s`: the longest that any client was without a live subscription."""

    rounds: int
    watchers: int
    confirmed: int
    lost: int
    doubled: int
    misplaced: int
    exit_codes: list[int]
    longest_gap_s: float


async def prove_rolling(rounds: int, watchers: int, seed: int) -> RollingReport:
    """Replace the node `rounds` times while it is published to."""
    random = Random(seed)
    with running_emulator() as emulator:
        settings = create_resources(emulator.url)
        node = NodeProcess(settings, DRAIN_SECONDS=str(DRAIN_SECONDS))
        await node.start()
        urls = [node.url]  # what a load balancer would send new connections to; shared with all clients
        people = [Watcher(f"watcher {i}", PROJECT, urls, Random(random.random())) for i in range(watchers)]
        writers = [Publisher(PROJECT, urls, Random(random.random()), first, PUBLISHERS) for first in range(PUBLISHERS)]
        exit_codes: list[int] = []
        async with asyncio.TaskGroup() as tasks:
            watching = [tasks.create_task(person.run()) for person in people]
            await asyncio.gather(*(person.started.wait() for person in people))
            writing = [tasks.create_task(writer.run()) for writer in writers]
            for _ in range(rounds):
                node, exit_code = await _replace(node, settings, urls, people, writers)
                exit_codes.append(exit_code)
            for writer in writers:
                writer.stop()
            await asyncio.gather(*writing)
            await all_reached(people, head_of(writers))
            for task in watching:
                task.cancel()
        exit_codes.append(await node.stop())
    longest_gap_s = max(person.longest_gap_s for person in people)
    return RollingReport(rounds, watchers, **check(people, writers), exit_codes=exit_codes, longest_gap_s=longest_gap_s)


async def _replace(
    old: NodeProcess, settings: dict[str, str], urls: list[str], people: list[Watcher], writers: list[Publisher]
) -> tuple[NodeProcess, int]:
    """Start a new node, let both serve for a while, stop the old one; the new node and the old one's exit code."""
    await people[0].reached(head_of(writers) + 100)
    new = NodeProcess(settings, DRAIN_SECONDS=str(DRAIN_SECONDS))
    await new.start()
    urls.append(new.url)
    await people[0].reached(head_of(writers) + 100)
    urls.remove(old.url)
    exit_code = await old.stop()
    await all_reached(people, head_of(writers))
    return new, exit_code


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--watchers", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    report = asyncio.run(prove_rolling(arguments.rounds, arguments.watchers, arguments.seed))
    print(
        f"{report.rounds} replacements, {report.watchers} clients, {report.confirmed} confirmed publications: "
        f"lost {report.lost}, doubled {report.doubled}, misplaced {report.misplaced}; exit codes {report.exit_codes}; "
        f"longest time without a subscription {report.longest_gap_s:.2f} s"
    )


if __name__ == "__main__":
    main()
