"""How many publications an SDK reads in a second of processor time, beside the bare WebSocket of its run-time.

`python -m bench.sdk` for Python and the library `websockets`; `--typescript` for Node 22. All read the same stream,
which another process replays on another core. Each round measures all of them, one right after the other, and every
other round in the opposite order.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec
from websockets.asyncio.client import connect

from bench.processes import LOAD_CORE, SERVER_CORE, end_children_on_signal, free_port, start
from bench.replay import PROJECT
from websocket_handler_client import Client

PAIRS: Final = 5
PUBLICATIONS: Final = 200_000
PUBLICATION_BYTES: Final = 128
ROOT: Final = Path(__file__).resolve().parents[1]
RUNTIMES: Final = ROOT / "clients" / "typescript" / "runtimes"
NODE: Final = "node_modules/node22/bin/node"

Reader = Callable[[str, int], float]
"""Reads so many publications at a URL. Returns the seconds of processor time from the first one to the last."""
Readers = Mapping[str, Reader]


def bare(parse: Callable[[str | bytes], Any]) -> Callable[[str, int], Coroutine[Any, Any, float]]:
    """The library with nothing around it: read, parse, look at one field."""

    async def read(url: str, count: int) -> float:
        async with connect(url, compression=None, ping_interval=None) as connection:
            await connection.send(json.dumps({"action": "subscribe", "project_id": PROJECT, "id": "s1"}))
            for _ in range(2):  # `connected` and the confirmation
                await connection.recv()
            started_s = time.process_time()
            async for text in connection:
                if parse(text)["offset"] == count:
                    break
            return time.process_time() - started_s

    return read


async def sdk(url: str, count: int) -> float:
    """The SDK, as a program uses it."""
    async with Client(url) as client:
        started_s = 0.0
        async for update in client.project(PROJECT).updates():
            if update.offset == 1:
                started_s = time.process_time()
            if update.offset == count:
                break
        return time.process_time() - started_s


def in_python(read: Callable[[str, int], Coroutine[Any, Any, float]]) -> Reader:
    """A reader in this process."""
    return lambda url, count: asyncio.run(read(url, count))


def on_node(name: str) -> Reader:
    """A reader of `runtimes/receive.js`, in a process of its own."""

    def read(url: str, count: int) -> float:
        command = [str(RUNTIMES / NODE), str(RUNTIMES / "receive.js"), name, url, PROJECT, str(count)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    return read


PYTHON: Final = {
    "Python SDK": in_python(sdk),
    "websockets + msgspec": in_python(bare(msgspec.json.decode)),
    "websockets + json": in_python(bare(json.loads)),
}
TYPESCRIPT: Final = {
    "TypeScript SDK, a loop over the updates": on_node("sdk"),
    "TypeScript SDK, a callback": on_node("on"),
    "WebSocket + JSON.parse": on_node("bare"),
}


def measure(readers: Readers, url: str, rounds: int, count: int) -> dict[str, list[float]]:
    """Publications per second of processor time, round by round."""
    rates: dict[str, list[float]] = {name: [] for name in readers}
    for turn in range(rounds):
        for name in list(readers) if turn % 2 else reversed(list(readers)):
            rates[name].append(count / readers[name](url, count))
    return rates


def _builds(*, is_typescript: bool) -> str:
    """The versions of what is measured. For TypeScript it installs what is missing, and builds what is published."""
    if not is_typescript:
        return f"Python {sys.version.split()[0]}, websockets {version('websockets')}"
    modules = RUNTIMES.relative_to(ROOT) / "node_modules" / ".package-lock.json"
    subprocess.run(["make", "--silent", "sdk-modules", str(modules)], cwd=ROOT, check=True)
    subprocess.run(["node", "build.js"], cwd=RUNTIMES.parent, check=True, stdout=subprocess.DEVNULL)
    return "Node " + subprocess.run([RUNTIMES / NODE, "-v"], check=True, capture_output=True, text=True).stdout.strip()


def _spread(values: Sequence[float], form: str) -> str:
    return f"{median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.sdk")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--publications", type=int, default=PUBLICATIONS)
    parser.add_argument("--bytes", type=int, default=PUBLICATION_BYTES, dest="size")
    parser.add_argument("--typescript", action="store_true", help="measure the TypeScript SDK on Node 22")
    options = parser.parse_args()
    readers: Readers = TYPESCRIPT if options.typescript else PYTHON
    builds = _builds(is_typescript=options.typescript)
    end_children_on_signal()
    port = free_port()
    command = [sys.executable, "-P", "-m", "bench.replay", str(port), str(options.publications), str(options.size)]
    with tempfile.TemporaryDirectory() as folder:
        replaying = start(command, port, Path(folder), "replay", {"PYTHONPATH": str(ROOT)}, core=LOAD_CORE)
        try:
            os.sched_setaffinity(0, {SERVER_CORE})
            rates = measure(readers, f"ws://127.0.0.1:{port}/ws", options.pairs, options.publications)
        finally:
            replaying.stop()
    print(f"{builds}, {options.publications:,} publications of {options.size} bytes, {options.pairs} rounds")
    print("| reader | publications per CPU second | the SDK's rate, compared |\n|---|---:|---:|")
    for name, found in rates.items():
        ratios = [ours / theirs for ours, theirs in zip(rates[next(iter(readers))], found, strict=True)]
        print(f"| {name} | {_spread(found, ',.0f')} | {_spread(ratios, '.2f')} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
