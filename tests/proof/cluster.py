"""Three nodes behind a balancer, on Valkey with a replica, while nodes are killed and Valkey fails over: every promise
is kept. The judge is `websocket-handler verify`, which runs beside them as an operator runs it.

Run alone: python -m tests.proof.cluster --log-store dynamodb --kills 50 --failovers 20
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from demo.programs import balancer_configuration, haproxy
from demo.resources import create_resources
from demo.testing import running_emulator
from tests.proof.command import run_alone
from tests.proof.judge import Verdict, judging, verdict
from tests.proof.node import NodeProcess
from tests.proof.valkey_pair import ValkeyPair, running_pair
from tests.support.patience import PATIENCE_S
from tests.support.proxies import free_port
from websocket_handler.cli.dev.system import is_ready

NODES: Final = 3
CALM_S: Final = 1.0
"""Between two faults, once everything runs again."""


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """What went wrong, and what the judge found."""

    log_store: str
    faults: Counter[str]
    verdict: Verdict

    def __str__(self) -> str:
        faults = ", ".join(f"{count} x {kind}" for kind, count in sorted(self.faults.items()))
        return f"LOG_STORE={self.log_store}: {faults}; {self.verdict}"


async def prove_cluster(
    log_store: str, kills: int, failovers: int, clients: int, rate: float, seed: int, minutes: float
) -> ClusterReport:
    """Kill nodes `kills` times, fail over `failovers` times without loss and as often with it, and a tenth as often do
    everything else, while `clients` subscribers follow and publishers publish `rate` times per second. No further fault
    begins after so many `minutes`."""
    random = Random(seed)
    others = ("rolling", "restart", "pause", "flush of scripts", "end of connections")
    counts = {"kill": kills, "graceful failover": failovers, "lossy failover": failovers}
    counts |= dict.fromkeys(others, max(1, failovers // 10))
    faults = [kind for kind, count in counts.items() for _ in range(count)]
    random.shuffle(faults)
    async with AsyncExitStack() as ends:
        emulator = ends.enter_context(running_emulator())
        pair = await ends.enter_async_context(running_pair(seed))
        nodes = await ends.enter_async_context(running_nodes(create_resources(emulator.url), log_store, pair.url))
        url = await ends.enter_async_context(running_balancer(nodes))
        judge = await ends.enter_async_context(judging([url], clients, rate))
        until, done = time.monotonic() + 60 * minutes, Counter[str]()
        for number, kind in enumerate(faults, 1):
            if time.monotonic() > until:
                break
            done[kind] += 1
            print(f"{number}/{len(faults)} {kind}", file=sys.stderr, flush=True)
            await _hurt(kind, nodes, pair, random)
            await _all_ready(nodes)
            await asyncio.sleep(CALM_S)
        found = await verdict(judge)
    return ClusterReport(log_store, done, found)


async def _hurt(kind: str, nodes: Sequence[NodeProcess], pair: ValkeyPair, random: Random) -> None:
    """Let something happen, and return once everything runs again."""
    node = random.choice(nodes)
    match kind:
        case "kill":
            await node.kill()
            await node.start()
        case "rolling":
            assert await node.stop() == 0
            await node.start()
        case "graceful failover":
            await pair.graceful_failover()
        case "lossy failover":
            await pair.lossy_failover()
        case "restart":
            await pair.restart()
        case "pause":
            await pair.pause()
        case "flush of scripts":
            await pair.forget_scripts()
        case _:
            await pair.close_connections()


async def _all_ready(nodes: Sequence[NodeProcess]) -> None:
    """Wait until the balancer would send clients to every node."""
    async with asyncio.timeout(PATIENCE_S):
        for node in nodes:
            while not await asyncio.to_thread(is_ready, "127.0.0.1", node.port):  # noqa: ASYNC110 - a node tells nobody
                await asyncio.sleep(0.1)


# What runs


@asynccontextmanager
async def running_nodes(
    resources: dict[str, str], log_store: str, valkey_url: str
) -> AsyncIterator[Sequence[NodeProcess]]:
    """Three nodes on one Valkey."""
    settings = {
        **resources,
        "LOG_STORE": log_store,
        "BACKPLANE": "valkey",
        "VALKEY_URL": valkey_url,
        "VALKEY_COMMIT": "replica",
        "DRAIN_SECONDS": "5",
        "HANDSHAKES_PER_SECOND": "0",
        "CONNECTIONS_PER_ADDRESS": "0",
        "TRUSTED_PROXY_HOPS": "1",
    }
    nodes = [NodeProcess(settings) for _ in range(NODES)]
    try:
        for node in nodes:
            await node.start()
        yield nodes
    finally:
        for node in nodes:
            if node.process is not None:
                await node.kill()


@asynccontextmanager
async def running_balancer(nodes: Sequence[NodeProcess]) -> AsyncIterator[str]:
    """HAProxy in front of the nodes; yields its URL."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "haproxy.cfg"
        text = balancer_configuration(["127.0.0.1"], port, {f"node-{at}": node.port for at, node in enumerate(nodes)})
        configuration.write_text(text, encoding="utf-8")
        process = await asyncio.create_subprocess_exec(haproxy(), "-q", "-db", "-f", str(configuration))
        try:
            yield f"ws://127.0.0.1:{port}"
        finally:
            process.kill()
            await process.wait()


if __name__ == "__main__":
    report = run_alone(
        prove_cluster, log_store="valkey", kills=50, failovers=20, clients=300, rate=100.0, seed=1, minutes=20.0
    )
    sys.exit(bool(report.verdict.broken))
