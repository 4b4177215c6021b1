"""What a publication costs Valkey itself: segments of 16 publications, appended to many logs at once.

`python -m bench.engine` runs it alone. The log store is the gateway's own; nothing else of a node runs.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from itertools import count
from pathlib import Path
from random import Random
from statistics import median

from bench.clusters import start_valkey
from bench.processes import Running, end_children_on_signal
from websocket_handler.adapters.system.clock import SystemClock
from websocket_handler.adapters.valkey.link import Link
from websocket_handler.adapters.valkey.log_store import ValkeyLogStore
from websocket_handler.adapters.valkey.scripts import load_commands
from websocket_handler.adapters.valkey.server import Server
from websocket_handler.adapters.valkey.url import Address, ValkeyUrl
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.log_store import Committed, Record, Segment

LOGS = 64
PAYLOAD = '{"type":"bench","project_id":"%s","offset":%d,"published_at":1795377600000,"text":"' + 40 * "x" + '"}'


class Appending:
    """One log store, and `LOGS` logs that grow all the time, each with one append under way."""

    def __init__(self, store: ValkeyLogStore, per_segment: int) -> None:
        self.publications = 0
        self._store = store
        self._per_segment = per_segment
        self._writers = map(str, count())
        self._is_over = False
        self._open = 0
        self._ended = asyncio.Event()

    async def run(self, seconds: float) -> None:
        """Append for so many seconds."""
        self._open = LOGS
        for number in range(LOGS):
            self._append(f"bench-{number:05d}", 1)
        await asyncio.sleep(seconds)
        self._is_over = True
        await self._ended.wait()

    def _append(self, project_id: str, first: int) -> None:
        offsets = range(first, first + self._per_segment)
        records = tuple(Record((PAYLOAD % (project_id, each)).encode(), 1.0, "", b"", each) for each in offsets)
        segment = Segment("e1", first, next(self._writers), records)

        def appended(answer: object) -> None:
            if not isinstance(answer, Committed):
                raise TypeError(f"not appended: {answer}")
            self.publications += self._per_segment
            if not self._is_over:
                self._append(project_id, first + self._per_segment)
                return
            self._open -= 1
            if not self._open:
                self._ended.set()

        self._store.append(project_id, segment, appended)


async def engine_us(engine: Running, per_segment: int, seconds: float) -> float:
    """Processor time of the engine for each publication, in microseconds."""
    server, backoff = Server(ValkeyUrl((Address("127.0.0.1", engine.port),))), Backoff(Random(1).random, 0.1, 1.0)
    commits, reads = (Link(server, backoff, greeting=load_commands) for _ in range(2))
    running = [asyncio.create_task(link.run()) for link in (commits, reads)]
    try:
        for link in (commits, reads):
            await link.ask("PING")
        await commits.ask("FLUSHALL")
        store = ValkeyLogStore(commits, reads, _start, SystemClock(), lambda: "id")
        appending = Appending(store, per_segment)
        before = engine.cpu_s
        await appending.run(seconds)
        return (engine.cpu_s - before) * 1e6 / appending.publications
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _start(_work: object) -> None:
    raise AssertionError("an append to a known log needs no task")


def main() -> int:
    """Measure, and print the median and the range of the rounds."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--per-segment", type=int, nargs="+", default=(16, 1))
    options = parser.parse_args()
    end_children_on_signal()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        engine = start_valkey(Path(folder))
        try:
            for size in options.per_segment:
                found = [asyncio.run(engine_us(engine, size, options.seconds)) for _ in range(options.rounds)]
                print(
                    f"engine, {size} per segment: {median(found):.2f} µs CPU per publication "
                    f"({min(found):.2f} to {max(found):.2f})"
                )
        finally:
            engine.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
