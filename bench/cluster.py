"""Several nodes on Valkey: what a delivery costs across nodes, and what a publication costs with many projects.

`python -m bench.cluster` runs it alone. The nodes and their engine share core 0, and the load has core 1. A figure is
processor time of all nodes and the engine together, so a busy machine changes it little. Each round measures every
set-up, one right after the other.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

from bench.clusters import Group, gateways, nats, socketio
from bench.install import Unavailable, compile_programs
from bench.machine import Machine
from bench.measurement import Load, Sample, measure
from bench.processes import Failed, end_children_on_signal, raise_file_limit

SUBSCRIBERS = 500
PROJECTS = 1000
PUBLISHERS = 48
"""Divisible by the nodes, so that each of them gets as many."""
Started = Callable[[Path], AbstractContextManager[Group]]


@dataclass
class SetUp:
    """Something that is measured, and what each round gave."""

    name: str
    protocol: str
    start: Started
    load: Callable[[Group], Load]
    samples: list[Sample] = field(default_factory=list)

    def measure(self, seconds: float) -> None:
        """Start it, measure one window, and end it. Raises Failed and Unavailable."""
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, self.start(Path(folder)) as group:
            load = self.load(group)
            self.samples.append(measure(self.protocol, group, Load(**{**vars(load), "seconds": seconds})))


def across(group: Group) -> Load:
    """Publish on the first node, and deliver on the last one: the same node if there is only one."""
    return Load(
        "fan-out",
        connections=SUBSCRIBERS,
        in_flight=16,
        payload_bytes=128,
        warm_up_s=1.0,
        ports=group.ports[-1:],
        publisher_ports=group.ports[:1],
    )


def anywhere(group: Group) -> Load:
    """Many projects with two subscribers each. Everybody connects to the next node in turn, as behind a balancer."""
    return Load(
        "publish",
        connections=2 * PROJECTS,
        callers=PUBLISHERS,
        projects=PROJECTS,
        in_flight=16,
        payload_bytes=200,
        warm_up_s=1.0,
        ports=group.ports,
    )


@dataclass
class Comparison:
    """Set-ups under one load. `count` says what is counted: deliveries or answers, which are publications."""

    title: str
    count: Callable[[Sample], int]
    set_ups: Sequence[SetUp]

    def measure(self, rounds: int, seconds: float) -> None:
        """Measure all of it, round by round. A set-up that cannot be measured is reported and left out."""
        absent: set[str] = set()
        for _ in range(rounds):
            for set_up in self.set_ups:
                if set_up.name in absent:
                    continue
                try:
                    set_up.measure(seconds)
                except (Failed, Unavailable) as fault:
                    print(f"{set_up.name}: {fault}", file=sys.stderr)
                    absent.add(set_up.name)
                else:
                    print(f"  {set_up.name}: {self._cost_us(set_up.samples[-1]):.2f} µs", flush=True)

    def _cost_us(self, sample: Sample) -> float:
        return sample.cpu_us(self.count(sample))

    def rows(self) -> Iterator[str]:
        """The table in Markdown. Each ratio is to the set-up of the first row in the same round."""
        yield f"### {self.title}\n"
        yield "| set-up | µs CPU each | by process | times the first | a second | p50 / p99 ms |"
        yield "|---|---:|---|---:|---:|---:|"
        first = self.set_ups[0].samples
        for set_up in self.set_ups:
            if not set_up.samples:
                yield f"| {set_up.name} | not measured | | | | |"
                continue
            costs = [self._cost_us(sample) for sample in set_up.samples]
            ratios = [cost / self._cost_us(base) for cost, base in zip(costs, first, strict=False)]
            shown = set_up.samples[costs.index(sorted(costs)[len(costs) // 2])]
            each = " + ".join(f"{1e6 * cpu / self.count(shown):.2f}" for cpu in shown.each_cpu_s)
            latency = f"{shown.p50_ms:.1f} / {shown.p99_ms:.1f}" if shown.p50_ms else "-"
            yield (
                f"| {set_up.name} | {median(costs):.2f} | {each} | {median(ratios):.2f}x "
                f"| {self.count(shown) / shown.seconds:,.0f} | {latency} |"
            )


def comparisons() -> Sequence[Comparison]:
    """Everything that is measured here."""
    valkey, memory = (partial(_gateways, store) for store in ("valkey", "memory"))
    return (
        Comparison(
            f"A delivery across nodes: publish on A, {SUBSCRIBERS} subscribers on B, 128 bytes, 16 in flight",
            lambda sample: sample.deliveries,
            (
                SetUp("one node, LOG_STORE=valkey", "gateway", valkey(1), across),
                SetUp("one node, LOG_STORE=memory", "gateway", memory(1), across),
                SetUp("two nodes, LOG_STORE=valkey", "gateway", valkey(2), across),
                SetUp("Socket.IO 4, Redis streams adapter, two nodes", "socketio", partial(socketio, count=2), across),
                SetUp("NATS, cluster of two", "nats", partial(nats, count=2), across),
            ),
        ),
        Comparison(
            f"A publication: {PROJECTS:,} projects with 2 subscribers each, {PUBLISHERS} publishers, 200 bytes",
            lambda sample: sample.answers,
            (
                SetUp("one node, LOG_STORE=valkey", "gateway", valkey(1), anywhere),
                SetUp("one node, LOG_STORE=memory", "gateway", memory(1), anywhere),
                SetUp("three nodes, LOG_STORE=valkey", "gateway", valkey(3), anywhere),
            ),
        ),
    )


def _gateways(store: str, count: int) -> Started:
    return partial(gateways, count=count, store=store)


def main() -> int:
    """Measure, and print the tables. Returns 0 if everything was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.cluster")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", choices=("across", "projects"), help="only one of the two loads")
    parser.add_argument("--set-ups", default="", help="only set-ups whose names have one of these words, with commas")
    options = parser.parse_args()
    raise_file_limit()
    end_children_on_signal()
    compile_programs()
    machine = Machine.look(" ".join(["python -m bench.cluster", *sys.argv[1:]]))
    words = options.set_ups.split(",")
    chosen = dict(zip(("across", "projects"), comparisons(), strict=True))
    for name, comparison in chosen.items():
        if options.only in (None, name):
            wanted = [each for each in comparison.set_ups if any(word in each.name for word in words)]
            chosen[name] = Comparison(comparison.title, comparison.count, wanted)
            chosen[name].measure(options.rounds, options.seconds)
    print(
        f"\n{machine.date}, `{machine.command}`, {machine.cores} cores of {machine.processor}, Linux {machine.kernel}, "
    )
    print(f"Python {machine.python}, load average at the start {machine.load_average:.2f}, {options.rounds} rounds\n")
    measured = [each for name, each in chosen.items() if options.only in (None, name)]
    for comparison in measured:
        print("\n".join(comparison.rows()), end="\n\n")
    return 0 if all(set_up.samples for each in measured for set_up in each.set_ups) else 1


if __name__ == "__main__":
    sys.exit(main())
