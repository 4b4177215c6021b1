"""How many publications the Python SDK reads in a second of processor time, beside the bare library `websockets`.

`python -m bench.sdk`. Both read the same stream, which another process replays on another core. Each pair measures
both, one right after the other; every other pair begins with the other reader.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
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
SDK: Final = "Python SDK"


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


READERS: Final = {
    SDK: sdk,
    "websockets + msgspec": bare(msgspec.json.decode),
    "websockets + json": bare(json.loads),
}


def measure(url: str, pairs: int, count: int) -> dict[str, list[float]]:
    """Publications per second of processor time, round by round."""
    rates: dict[str, list[float]] = {name: [] for name in READERS}
    for turn in range(pairs):
        for name in list(READERS) if turn % 2 else reversed(READERS):
            rates[name].append(count / asyncio.run(READERS[name](url, count)))
    return rates


def _spread(values: Sequence[float], form: str) -> str:
    return f"{median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.sdk")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--publications", type=int, default=PUBLICATIONS)
    parser.add_argument("--bytes", type=int, default=PUBLICATION_BYTES, dest="size")
    options = parser.parse_args()
    end_children_on_signal()
    port = free_port()
    command = [sys.executable, "-P", "-m", "bench.replay", str(port), str(options.publications), str(options.size)]
    root = str(Path(__file__).resolve().parents[1])
    with tempfile.TemporaryDirectory() as folder:
        replaying = start(command, port, Path(folder), "replay", {"PYTHONPATH": root}, core=LOAD_CORE)
        try:
            os.sched_setaffinity(0, {SERVER_CORE})
            rates = measure(f"ws://127.0.0.1:{port}/ws", options.pairs, options.publications)
        finally:
            replaying.stop()
    library = f"websockets {version('websockets')}"
    print(f"Python {sys.version.split()[0]}, {library}, {options.publications:,} publications")
    print("| reader | publications per CPU second | the SDK's rate, compared |\n|---|---:|---:|")
    for name, found in rates.items():
        ratios = [ours / theirs for ours, theirs in zip(rates[SDK], found, strict=True)]
        print(f"| {name} | {_spread(found, ',.0f')} | {_spread(ratios, '.2f')} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
