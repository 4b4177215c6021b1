"""What a publication costs on its other ways in: into DynamoDB, over HTTP, and from the updates queue, against an
earlier build in turn.

`python -m bench.ways_in --before CHECKOUT` measures them. The sink stands in for AWS: it answers each write at once and
keeps nothing, and while a build is measured its queue of updates is never empty.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from bench.install import compile_programs
from bench.many_projects import PAIRS, PAYLOAD_BYTES, Cost, Measured, Pairs, Side, cost_of, measure_all, spread
from bench.measurement import Load, while_idle
from bench.processes import Failed, Running, end_children_on_signal, raise_file_limit

NAME = "ways in"
WARM_UP_S = 1.0


@dataclass(frozen=True)
class Way:
    """Publishers that each have one project and one publication that is not confirmed yet. Nobody subscribes, so all of
    it is the way in."""

    name: str
    protocol: str
    publishers: int
    settings: Mapping[str, str] = field(default_factory=dict)
    warm_up_s: float = WARM_UP_S

    def __str__(self) -> str:
        return self.name

    def cost(self, side: Side, seconds: float) -> Cost:
        """Each publisher sends its next publication when the one before is confirmed."""
        load = Load(
            "publish",
            callers=self.publishers,
            projects=self.publishers,
            payload_bytes=PAYLOAD_BYTES,
            seconds=seconds,
            warm_up_s=self.warm_up_s,
        )
        return cost_of(self.protocol, side.running, load)


@dataclass(frozen=True)
class Updates:
    """So many projects with one subscriber each, which get updates in turn. An update counts when its message was
    deleted."""

    projects: int
    settings: Mapping[str, str] = field(
        default_factory=lambda: {"SQS_QUEUE_URL_UPDATES": "{sink}/000000000000/updates"}
    )

    def __str__(self) -> str:
        return f"updates from the queue, {self.projects:,} projects x 1"

    def cost(self, side: Side, seconds: float) -> Cost:
        """The subscribers only read."""

        def look() -> Cost:
            _ask(side.sink, f"updates/{self.projects}")
            time.sleep(WARM_UP_S)
            cpu_s, count, began = side.running.cpu_s, _deleted(side.sink), time.monotonic()
            time.sleep(seconds)
            cpu_s, count = side.running.cpu_s - cpu_s, _deleted(side.sink) - count
            passed_s = time.monotonic() - began
            _ask(side.sink, "updates/0")
            if not count:
                raise Failed("no update was deleted")
            return Cost(cpu_s * 1e6 / count, count / passed_s, 0.0)

        load = Load("idle", connections=self.projects, projects=self.projects, seconds=seconds + 60)
        return while_idle("gateway", side.running, load, look)


def _deleted(sink: Running) -> int:
    return int(_ask(sink, "counts")["updates"])


def _ask(sink: Running, path: str) -> dict[str, Any]:
    with urlopen(f"http://127.0.0.1:{sink.port}/{path}", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


WAYS: Mapping[str, Measured] = {
    "dynamodb": Way(
        "DynamoDB store, 1,000 projects", "gateway", 1000, {"LOG_STORE": "dynamodb"}, 6.0
    ),  # it opens the logs first
    "http": Way("HTTP with keep-alive, 64 connections", "http", 64),
    "updates": Updates(1000),
}
HEADER = ("way", "this build, CPU µs", "the build before, CPU µs", "times cheaper", "this build, 1/s", "before, 1/s")


def measure_ways(earlier: Path | None) -> Iterator[Pairs]:
    """Measure every way, one after the other. A way that fails is reported and left out."""
    return measure_all(earlier, tuple(WAYS.values()))


def row(pairs: Pairs) -> list[str]:
    """A row of the report: what a publication costs, and how many there were in a second."""
    rates = [[cost.per_second for cost in costs] for costs in (pairs.ours, pairs.theirs)]
    return [*pairs.row(), *(spread(each, ".0f") for each in rates)]


def main() -> int:
    """Measure, and print the median and the range of each way. Returns 0 if every way was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.ways_in")
    parser.add_argument("--before", type=Path, help="the checkout of another build, with its own .venv")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    options = parser.parse_args()
    raise_file_limit()
    end_children_on_signal()
    compile_programs()
    ways = [WAYS[name] for name in options.ways]
    found = list(measure_all(options.before, ways, options.pairs, options.seconds))
    print("\n".join(" | ".join(cells) for cells in [list(HEADER), *(row(pairs) for pairs in found)]))
    return 0 if len(found) == len(ways) else 1


if __name__ == "__main__":
    sys.exit(main())
