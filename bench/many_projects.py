"""Many projects with few subscribers each: what a confirmed publication costs, against an earlier build in turn.

`python -m bench.many_projects --before CHECKOUT` runs it alone. Each pair measures both builds, one right after the
other, with the same load; every other pair begins with the other build. So a busy machine changes both.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Protocol

from bench.install import compile_programs
from bench.measurement import Load, measure
from bench.processes import Failed, Running, end_children_on_signal, raise_file_limit
from bench.servers import before, gateway, start_sink

NAME = "many projects"
PAIRS = 5
PUBLISHERS = 50
IN_FLIGHT = 16
PAYLOAD_BYTES = 200


@dataclass(frozen=True)
class Cost:
    """What one window gave: processor time per publication, and the publications per second of the clock."""

    cpu_us: float
    per_second: float
    p99_ms: float


@dataclass(frozen=True)
class Side:
    """One of the two builds, with a sink of its own."""

    running: Running
    sink: Running
    costs: list[Cost]


@dataclass(frozen=True)
class Shape:
    """How many projects there are, and how many subscribers each of them has."""

    projects: int
    subscribers: int
    settings: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.projects:,} x {self.subscribers}"

    def cost(self, side: Side, seconds: float) -> Cost:
        """Publishers on WebSockets, each with projects of its own and `IN_FLIGHT` publications unconfirmed."""
        load = Load(
            "publish",
            connections=self.projects * self.subscribers,
            callers=PUBLISHERS,
            projects=self.projects,
            in_flight=IN_FLIGHT,
            payload_bytes=PAYLOAD_BYTES,
            seconds=seconds,
            warm_up_s=1.0,
        )
        return cost_of("gateway", side.running, load)


SHAPES = (Shape(1000, 2), Shape(1, 1), Shape(10_000, 1))
"""The last two show how the cost grows with the number of projects."""


class Measured(Protocol):
    """What both builds do in turn. Its text names it."""

    @property
    def settings(self) -> Mapping[str, str]:
        """The gateway's settings, beside those of every benchmark."""
        ...

    def cost(self, side: Side, seconds: float) -> Cost:
        """Measure one window of so many seconds. Raises Failed."""
        ...


@dataclass
class Pairs:
    """The windows of one shape: `ours[n]` was measured right before or after `theirs[n]`."""

    shape: Measured
    ours: list[Cost] = field(default_factory=list)
    theirs: list[Cost] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """How many times cheaper this build is, by pair."""
        return [theirs.cpu_us / ours.cpu_us for ours, theirs in zip(self.ours, self.theirs, strict=False)]

    def row(self) -> list[str]:
        """The row of the report."""
        ours, theirs = ([cost.cpu_us for cost in costs] for costs in (self.ours, self.theirs))
        return [str(self.shape), spread(ours, ".1f"), spread(theirs, ".1f"), spread(self.ratios, ".2f")]


HEADER = ("projects x subscribers", "this build, CPU µs", "the build before, CPU µs", "times cheaper")


def spread(values: Sequence[float], form: str) -> str:
    """The median, with the lowest and the highest value."""
    if not values:
        return "-"
    return f"{median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def measure_pairs(shape: Measured, earlier: Path | None, pairs: int, seconds: float) -> Pairs:
    """Measure one shape. Raises Failed."""
    found = Pairs(shape)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        sides = [_side(shape, None, found.ours, folder, stack)]
        if earlier is not None:
            sides.append(_side(shape, earlier, found.theirs, folder, stack))
        for _ in range(pairs):
            for side in sides:
                side.costs.append(shape.cost(side, seconds))
            sides.reverse()
            print(f"  {shape}: {' | '.join(found.row()[1:])}", flush=True)
    return found


def _side(shape: Measured, root: Path | None, costs: list[Cost], folder: Path, stack: ExitStack) -> Side:
    """This build, or the one in the checkout `root`. Without a sink both would try again and again to record their
    connections."""
    sink = start_sink(folder)
    stack.callback(sink.stop)
    server = before(sink.port, root, **shape.settings) if root else gateway(sink.port, **shape.settings)
    running = server.start(folder)
    stack.callback(running.stop)
    return Side(running, sink, costs)


def cost_of(protocol: str, running: Running, load: Load) -> Cost:
    """What a confirmed publication costs under a load. Raises Failed."""
    sample = measure(protocol, running, load)
    return Cost(sample.cpu_us(sample.answers), sample.per_second(sample.answers), sample.p99_ms)


def measure_all(
    earlier: Path | None, shapes: Sequence[Measured] = SHAPES, pairs: int = PAIRS, seconds: float = 2.0
) -> Iterator[Pairs]:
    """Measure these shapes, one after the other. A shape that fails is reported and left out."""
    for shape in shapes:
        try:
            yield measure_pairs(shape, earlier, pairs, seconds)
        except Failed as fault:
            print(f"many projects, {shape}: {fault}", file=sys.stderr)


def _shape(text: str) -> Shape:
    projects, _, subscribers = text.partition("x")
    return Shape(int(projects), int(subscribers))


def main() -> int:
    """Measure, and print the median and the range of each shape. Returns 0 if every shape was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.many_projects")
    parser.add_argument("--before", type=Path, help="the checkout of another build, with its own .venv")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--shapes", type=_shape, nargs="+", default=SHAPES, metavar="PROJECTSxSUBSCRIBERS")
    options = parser.parse_args()
    raise_file_limit()
    end_children_on_signal()
    compile_programs()
    found = list(measure_all(options.before, options.shapes, options.pairs, options.seconds))
    print("\n".join(" | ".join(row) for row in [list(HEADER), *(pairs.row() for pairs in found)]))
    return 0 if len(found) == len(options.shapes) else 1


if __name__ == "__main__":
    sys.exit(main())
