"""One of three nodes on Valkey is killed, and its ten thousand clients come to the other two within seconds, while the
clients of those follow a project that goes on. Everybody resumes from another position.

Run alone: python -m tests.proof.cluster_storm --clients 10000 --projects 100
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Any, Final

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from demo.resources import create_resources
from demo.testing import running_emulator
from tests.proof.cluster import running_nodes
from tests.proof.command import run_alone
from tests.proof.node import NodeProcess
from tests.proof.resuming import Log, Resuming, Witness
from tests.proof.valkey_pair import running_pair

BATCH: Final = 100
PUBLICATIONS: Final = 5 * BATCH
ARRIVAL_S: Final = 3.0
SETTLED_CLIENTS: Final = 20
"""How many clients follow on each of the nodes that stay."""
PUBLISH_INTERVAL_S: Final = 0.05
LIVE: Final = "live"
TEXT: Final = "x" * 120
LEVEL_S: Final = 15.0
LIVE_P99_S: Final = 1.0
MEMORY_MIB: Final = 512.0
"""The memory of the container that the template gives to a node."""


@dataclass(slots=True)
class ClusterStormReport:
    """The figures of one storm. Times are seconds since the node was killed."""

    clients: int
    level: int = 0
    level_s: float = float("inf")
    """When the last client was level."""
    delays_s: list[float] = field(default_factory=list)
    """How long each delivery to a client of the other nodes took."""
    memory_mib: list[float] = field(default_factory=list)
    """The most that each of the other nodes had."""
    cut: int = 0
    """How many clients of the other nodes lost their connection."""
    witness: Witness = field(default_factory=Witness)

    @property
    def live_p99_s(self) -> float:
        """The delay that one in a hundred deliveries exceeded."""
        return quantiles(self.delays_s, n=100)[98]

    @property
    def is_kept(self) -> bool:
        """True if every bound holds."""
        is_small = max(self.memory_mib) <= MEMORY_MIB
        is_quick = self.level_s <= LEVEL_S and self.live_p99_s <= LIVE_P99_S
        return is_small and is_quick and not self.cut and not self.witness.faults

    def __str__(self) -> str:
        memory = ", ".join(f"{mib:.0f}" for mib in self.memory_mib)
        return (
            f"{self.clients} clients of a node that was killed: {self.level} level on the other two, the last after "
            f"{self.level_s:.1f} s; refusals {dict(self.witness.refusals)}, {self.witness.reconnects} reconnects; "
            f"{len(self.delays_s)} deliveries to clients of the other nodes, p99 {self.live_p99_s:.2f} s, {self.cut} "
            f"of them cut off; these nodes had {memory} MiB at most; {len(self.witness.faults)} faults "
            f"{self.witness.faults}; {'all bounds hold' if self.is_kept else 'A BOUND IS BROKEN'}"
        )


async def prove_cluster_storm(clients: int, projects: int, seed: int, give_up_s: float) -> ClusterStormReport:
    """Kill a node, and let so many clients come to the others. It ends after `give_up_s` seconds in any case."""
    report, random = ClusterStormReport(clients), Random(seed)
    async with AsyncExitStack() as ends:
        emulator = ends.enter_context(running_emulator())
        pair = await ends.enter_async_context(running_pair(seed))
        more = {"PING_INTERVAL_S": "3600", "MAX_CONNECTIONS": "0"}
        nodes = await ends.enter_async_context(
            running_nodes({**create_resources(emulator.url), **more}, "valkey", pair.url)
        )
        lost, *others = nodes
        session = await ends.enter_async_context(ClientSession())
        logs = await asyncio.gather(*(_fill(session, lost, f"p{number}") for number in range(projects)))
        tasks = await ends.enter_async_context(_Ended())
        for node in others:
            for _ in range(SETTLED_CLIENTS):
                socket = await session.ws_connect(node.url, params={"project_id": LIVE})
                tasks.begin(_follow(socket, report))
        tasks.begin(_publish(session, others[0]))
        await lost.kill()
        crowd = [
            Resuming(
                report.witness,
                Random(random.random()),
                logs[number % projects],
                random.randrange(PUBLICATIONS - 2 * BATCH),
                heeds_hints=True,
            )
            for number in range(clients)
        ]
        await _come(crowd, [node.port for node in others], report, random, give_up_s)
        report.memory_mib = [_most_mib(node) for node in others]
        for client in crowd:
            client.leave()
    return report


class _Ended:
    """Tasks that end with a block."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Let it run until the block ends."""
        self._tasks.append(asyncio.create_task(work))

    async def __aenter__(self) -> _Ended:
        return self

    async def __aexit__(self, *_fault: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _fill(session: ClientSession, node: NodeProcess, project_id: str) -> Log:
    """Publish a project's log."""
    url, epoch = f"http://127.0.0.1:{node.port}/api/v1/projects/{project_id}/messages", ""
    for _ in range(PUBLICATIONS // BATCH):
        async with session.post(url, json=[{"type": "step", "text": TEXT}] * BATCH) as answer:
            assert answer.status == 200, await answer.text()
            epoch = (await answer.json())["epoch"]
    return Log(project_id, epoch, PUBLICATIONS)


async def _publish(session: ClientSession, node: NodeProcess) -> None:
    """Publish the time, again and again, until cancelled."""
    url = f"http://127.0.0.1:{node.port}/api/v1/projects/{LIVE}/messages"
    while True:
        async with session.post(url, json={"type": "step", "at": time.monotonic()}) as answer:
            await answer.read()
        await asyncio.sleep(PUBLISH_INTERVAL_S)


async def _follow(socket: ClientWebSocketResponse, report: ClusterStormReport) -> None:
    """Note how long each publication took to come here, until cancelled."""
    async for message in socket:
        if message.type is WSMsgType.TEXT and "at" in (told := message.json()):
            report.delays_s.append(time.monotonic() - told["at"])
    report.cut += 1


async def _come(
    crowd: Sequence[Resuming], ports: Sequence[int], report: ClusterStormReport, random: Random, give_up_s: float
) -> None:
    """Let everybody come; wait until they are level, or until it takes too long."""
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async def come(number: int, client: Resuming) -> None:
        await asyncio.sleep(random.uniform(0, ARRIVAL_S))  # a client waits for a random time before it comes back
        await client.run(ports[number % len(ports)])
        report.level += 1
        if report.level == report.clients:
            report.level_s = loop.time() - begun

    tasks = [asyncio.create_task(come(number, client)) for number, client in enumerate(crowd)]
    _, waiting = await asyncio.wait(tasks, timeout=give_up_s)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _most_mib(node: NodeProcess) -> float:
    """The most memory that a node ever had."""
    assert node.process is not None
    status = Path(f"/proc/{node.process.pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


if __name__ == "__main__":
    found = run_alone(prove_cluster_storm, clients=10_000, projects=100, seed=1, give_up_s=120.0)
    sys.exit(not found.is_kept)
