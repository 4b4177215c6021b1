"""Many nodes that write to one project: how long a confirmation takes, and how many publications fail.

`python -m bench.writers` runs it alone: eight nodes, each with one publisher at 200 a second. Nodes, engine and
publishers share the machine's cores, so a busy machine makes all of it slower.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

import aiohttp
import msgspec

from bench.clusters import gateways
from bench.install import compile_programs
from bench.machine import Machine
from bench.processes import end_children_on_signal

PROJECT = "bench"
TEXT = 100 * "x"


@dataclass
class Found:
    """What the publishers saw."""

    latencies_ms: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        steps = quantiles(self.latencies_ms, n=100)
        return (
            f"{len(self.latencies_ms):,} confirmed, p50 {steps[49]:.1f} ms, p99 {steps[98]:.1f} ms, "
            f"longest {max(self.latencies_ms):.1f} ms, errors: {dict(self.errors) or 'none'}"
        )


async def publish(
    session: aiohttp.ClientSession, port: int, per_second: float, warm_up_s: float, seconds: float, found: Found
) -> None:
    """Publish on one node at a fixed rate, however long the confirmations take."""
    async with session.ws_connect(f"http://127.0.0.1:{port}/ws") as socket:
        sent: deque[float] = deque()
        began = time.perf_counter()
        total = round(per_second * (warm_up_s + seconds))

        async def confirmed() -> None:
            answers = 0
            while answers < total:
                message = msgspec.json.decode(await socket.receive_str())
                if message["type"] not in ("publish_confirmed", "error"):
                    continue
                answers += 1
                at = sent.popleft()
                if message["type"] == "error":
                    found.errors[message["code"]] += 1
                elif at - began >= warm_up_s:
                    found.latencies_ms.append((time.perf_counter() - at) * 1000)

        reading = asyncio.create_task(confirmed())
        for number in range(total):
            await asyncio.sleep(began + number / per_second - time.perf_counter())
            sent.append(time.perf_counter())
            command = {"action": "publish", "project_id": PROJECT, "message": {"type": "bench", "text": TEXT}}
            await socket.send_str(msgspec.json.encode(command).decode())
        await reading


async def measure(nodes: int, per_second: float, seconds: float) -> Found:
    """Start the nodes, and let every one of them write to the project."""
    found = Found()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, gateways(Path(folder), nodes, "valkey") as group:
        for node in group.nodes:
            node.release()
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as publishers:
            for port in group.ports:
                publishers.create_task(publish(session, port, per_second, 2.0, seconds, found))
    return found


def main() -> int:
    """Measure, and print what was found. Returns 0 if nothing failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.writers")
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--per-second", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    end_children_on_signal()
    compile_programs()
    machine = Machine.look(" ".join(["python -m bench.writers", *sys.argv[1:]]))
    found = asyncio.run(measure(options.nodes, options.per_second, options.seconds))
    print(f"{machine.date}, {machine.cores} cores of {machine.processor}, load average {machine.load_average:.2f}")
    print(f"{options.nodes} nodes write one project, {options.per_second:g}/s each: {found}")
    return bool(found.errors)


if __name__ == "__main__":
    sys.exit(main())
