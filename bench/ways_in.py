"""What a confirmed publication costs on its two slower ways: into DynamoDB, and over HTTP, against an earlier build in
turn.

`python -m bench.ways_in --before CHECKOUT` measures both. Nobody subscribes, so all of it is the way in. The sink
stands in for DynamoDB: it answers each write at once and keeps nothing.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.install import compile_programs
from bench.many_projects import PAIRS, PAYLOAD_BYTES, Pairs, measure_all, spread
from bench.measurement import Load
from bench.processes import end_children_on_signal, raise_file_limit


@dataclass(frozen=True)
class Way:
    """Publishers that each have one project and one publication that is not confirmed yet."""

    name: str
    protocol: str
    publishers: int
    settings: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    def load(self, seconds: float) -> Load:
        """Each publisher sends its next publication when the one before is confirmed."""
        return Load(
            "publish",
            callers=self.publishers,
            projects=self.publishers,
            payload_bytes=PAYLOAD_BYTES,
            seconds=seconds,
            warm_up_s=1.0,
        )


WAYS: Mapping[str, Way] = {
    "dynamodb": Way("DynamoDB store, 1,000 projects", "gateway", 1000, {"LOG_STORE": "dynamodb"}),
    "http": Way("HTTP with keep-alive, 64 connections", "http", 64),
}
HEADER = ("way", "this build, CPU µs", "the build before, CPU µs", "times cheaper", "this build, 1/s", "before, 1/s")


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
