"""A node is killed under a crowd of clients, and the one in its place meets a slow DynamoDB: a proxy in front of the
emulator that lets so many calls through in a second. Everybody resumes from another position, and has to be level soon.

Run alone: python -m tests.proof.storm --clients 10000 --projects 100 --calls-per-s 50 --pin
`--pin` gives one processor to the node, and the others to everybody else. `--checkout` runs the gateway of another
checkout, which has a virtual environment of its own.
"""

import argparse
import asyncio
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import uvloop
from aiohttp import ClientSession

from demo.resources import create_resources
from demo.testing import running_emulator
from tests.proof.bounded_proxy import running_proxy
from tests.proof.node import NodeProcess
from tests.proof.resuming import Log, Resuming, Witness
from tests.support.gateway import REPOSITORY

BATCH: Final = 100
PUBLICATIONS: Final = 5 * BATCH
IN_MEMORY: Final = 100
ARRIVAL_S: Final = 3.0
TEXT: Final = "x" * 120
NECESSARY_CALLS: Final = 3
"""What a project needs: the end of its log, the segment with which the first page begins, and the page."""


@dataclass(slots=True)
class StormReport:
    """The figures of one storm. Times are seconds since the first client came."""

    clients: int
    projects: int
    calls_per_s: float
    level: int = 0
    open_s: float = 0.0
    """When the last client's first handshake was answered. Before that nobody can say that all are level."""
    level_s: float = float("inf")
    """When the last client was level."""
    witness: Witness = field(default_factory=Witness)
    calls: Counter[str] = field(default_factory=Counter)
    wait_most_s: float = 0.0
    computed_s: float = 0.0
    """How long the node's event loop had a processor."""
    starved_s: float = 0.0
    """How long it had to wait for one, because the machine had other things to do."""

    @property
    def needed_s(self) -> float:
        """How long the necessary calls take."""
        return self.projects * NECESSARY_CALLS / self.calls_per_s

    def __str__(self) -> str:
        witness = self.witness
        return (
            f"{self.clients} clients on {self.projects} projects, {self.calls_per_s:g} calls/s: {self.level} level, "
            f"the last after {self.level_s:.1f} s (the necessary calls take {self.needed_s:.1f} s); the last handshake "
            f"was answered after {self.open_s:.1f} s; refusals {dict(witness.refusals)}, {witness.reconnects} "
            f"reconnects; {sum(self.calls.values())} calls {dict(self.calls)}, each of which waited for up to "
            f"{self.wait_most_s:.1f} s; the node computed for {self.computed_s:.1f} s and waited for a processor for "
            f"{self.starved_s:.1f} s"
        )


async def prove_storm(
    clients: int,
    projects: int,
    calls_per_s: float,
    give_up_s: float,
    checkout: Path = REPOSITORY,
    seed: int = 1,
    pin: bool = False,
) -> StormReport:
    """One storm."""
    nodes_own = _divide_processors() if pin else None
    report, random = StormReport(clients, projects, calls_per_s), Random(seed)
    limits = {
        "HISTORY_MESSAGES": str(IN_MEMORY),
        "HANDSHAKES_PER_SECOND": "0",
        "CONNECTIONS_PER_ADDRESS": "0",
        "MAX_CONNECTIONS": "0",
        "PING_INTERVAL_S": "3600",
        "DRAIN_SECONDS": "1",
    }
    with running_emulator() as emulator:
        settings = create_resources(emulator.url)
        before = NodeProcess(settings, checkout, **limits)
        await before.start()
        logs = await asyncio.gather(*(_fill(before, f"p{number}") for number in range(projects)))
        await before.kill()
        async with running_proxy(emulator.url, calls_per_s) as proxy:
            through = {name: value.replace(emulator.url, proxy.url) for name, value in settings.items()}
            node = NodeProcess(through, checkout, **limits)
            await node.start()
            if nodes_own is not None:
                os.sched_setaffinity(_pid(node), nodes_own)
            crowd: list[Resuming] = []
            for number in range(clients):
                project, turn = number % projects, number // projects
                offset, chance = random.randrange(PUBLICATIONS - 2 * IN_MEMORY), Random(random.random())
                crowd.append(Resuming(report.witness, chance, logs[project], offset, heeds_hints=turn % 2 == 0))
            computed_s, starved_s = _processor_times(node)
            await _come(crowd, node.port, report, random, give_up_s)
            report.computed_s, report.starved_s = _processor_times(node)
            report.computed_s -= computed_s
            report.starved_s -= starved_s
            report.calls, report.wait_most_s = await proxy.statistics()
            for client in crowd:
                client.leave()
            await node.kill()
    return report


def _divide_processors() -> set[int]:
    """Move this process, and those that it will start, to all processors but one. Returns that one, for the node."""
    first, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, others)
    return {first}


def _pid(node: NodeProcess) -> int:
    assert node.process is not None
    return node.process.pid


def _processor_times(node: NodeProcess) -> tuple[float, float]:
    """How many seconds the main thread of the node had a processor, and how many it waited for one."""
    ran_ns, waited_ns, _ = map(int, Path(f"/proc/{_pid(node)}/schedstat").read_text(encoding="ascii").split())
    return ran_ns / 1e9, waited_ns / 1e9


async def _fill(node: NodeProcess, project_id: str) -> Log:
    """Publish a project's log."""
    url = f"http://127.0.0.1:{node.port}/api/v1/projects/{project_id}/messages"
    epoch = ""
    async with ClientSession() as session:
        for _ in range(PUBLICATIONS // BATCH):
            async with session.post(url, json=[{"type": "step", "text": TEXT}] * BATCH) as answer:
                assert answer.status == 200, await answer.text()
                epoch = (await answer.json())["epoch"]
    return Log(project_id, epoch, PUBLICATIONS)


async def _come(crowd: list[Resuming], port: int, report: StormReport, random: Random, give_up_s: float) -> None:
    """Let everybody come; wait until they are level, or until it takes too long."""
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async def come(client: Resuming) -> None:
        await asyncio.sleep(random.uniform(0, ARRIVAL_S))  # they do not all come in the same moment
        await client.run(port)
        report.level += 1
        if report.level == report.clients:
            report.level_s = loop.time() - begun

    tasks = [asyncio.create_task(come(client)) for client in crowd]
    _, waiting = await asyncio.wait(tasks, timeout=give_up_s)
    report.open_s = report.witness.open_at - begun
    for task in waiting:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    """Run a storm of any size, and print its report."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.storm", description=__doc__)
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--projects", type=int, default=100)
    parser.add_argument("--calls-per-s", type=float, default=50.0)
    parser.add_argument("--give-up-s", type=float, default=120.0)
    parser.add_argument("--pin", action="store_true")
    parser.add_argument("--checkout", type=Path, default=REPOSITORY)
    report = uvloop.run(prove_storm(**vars(parser.parse_args())))
    sys.stdout.write("".join(f"{line}\n" for line in (report, *report.witness.faults)))


if __name__ == "__main__":
    main()
