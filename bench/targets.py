"""The targets, each with the figure reached."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench import scenarios
from bench.results import (
    Results,
    answers_per_second,
    cpu_us_per_delivery,
    deliveries_per_second,
    joined_per_second,
    p99_ms,
)
from bench.scenarios import FORWARD, HANDSHAKE, PING, RATE, fan_out_key
from bench.servers import GATEWAY, LIMIT, LIMIT_COALESCED
from bench.small_container import SmallContainer

ONE, PIPELINED = fan_out_key(1000, 128, 1), fan_out_key(1000, 128, 16)


@dataclass(frozen=True)
class Target:
    """One row: `reached` and its limits in the same unit; `is_at_most` where less is better."""

    what: str
    reached: float | None
    must: float
    reach: float
    unit: str = "x"
    is_at_most: bool = False
    note: str = ""

    def verdict(self) -> str:
        """How it stands."""
        if self.reached is None:
            return "not measured"
        if self._meets(self.reach):
            return "beyond"
        verdict = "met" if self._meets(self.must) else "**missed**"
        return f"{verdict} {self.note}".strip()

    def _meets(self, limit: float) -> bool:
        assert self.reached is not None
        return self.reached <= limit if self.is_at_most else self.reached >= limit

    def row(self) -> str:
        """The row in Markdown."""
        sign = "≤" if self.is_at_most else "≥"
        shown = "-" if self.reached is None else self._form(self.reached)
        limits = f"{sign} {self._form(self.must)} | {sign} {self._form(self.reach)}"
        return f"| {self.what} | {shown} | {limits} | {self.verdict()} |"

    def _form(self, value: float) -> str:
        if self.unit == "x":
            return f"{value:.2f}x"
        return f"{value:,.0f} {self.unit}" if value >= 100 else f"{value:.1f} {self.unit}"


def targets(results: Results, container: SmallContainer | None) -> Iterator[Target]:
    """All rows."""
    ratio = results.ratio
    yield Target("fan-out W=1 against the C limit", ratio(ONE, GATEWAY, LIMIT, deliveries_per_second), 0.80, 0.95)
    coalesced = ratio(PIPELINED, GATEWAY, LIMIT_COALESCED, deliveries_per_second)
    yield Target("fan-out W=16 against the coalesced C limit", coalesced, 0.80, 0.95)
    for peer in ("nchan", "socket.io", "ws", "websockets"):
        yield Target(f"fan-out W=16 against {peer}", ratio(PIPELINED, GATEWAY, peer, deliveries_per_second), 8, 12)
    yield Target("fan-out W=16 against NATS", ratio(PIPELINED, GATEWAY, "nats", deliveries_per_second), 1.5, 2)
    latency = ratio(RATE, GATEWAY, "nchan", p99_ms)
    yield Target("p99 at 100 msg/s x 500 against nchan's", latency, 1.0, 1.0, is_at_most=True)
    yield Target("the same against the C limit's", ratio(RATE, GATEWAY, LIMIT, p99_ms), 1.3, 1.3, is_at_most=True)
    yield Target("round trips/s against ws", ratio(PING, GATEWAY, "ws", answers_per_second), 0.8, 1.2)
    yield Target("handshakes/s against ws", ratio(HANDSHAKE, GATEWAY, "ws", joined_per_second), 1, 2)
    idle = results.idle_value(GATEWAY)
    kilobytes = None if idle is None else idle / 1024
    yield Target("memory per idle subscribed connection", kilobytes, 8, 3, "KB", is_at_most=True)
    yield Target("confirmed forwards/s", results.value(FORWARD, GATEWAY, answers_per_second), 7000, 20_000, "/s")
    for in_flight, limit in ((1, LIMIT), (16, LIMIT_COALESCED)):
        what = f"CPU per delivery, 10,000 against 100 subscribers, W={in_flight}"
        theirs = _growth(results, limit, in_flight)
        note = "" if theirs is None else f"(C limit: {theirs:.2f}x)"
        yield Target(what, _growth(results, GATEWAY, in_flight), 1.25, 1.0, is_at_most=True, note=note)
    yield Target("CPU per publication, 10,000 against 1 project", _projects(results), 1.25, 1.0, is_at_most=True)
    for in_flight in (1, 16):
        key = scenarios.history_key(in_flight)
        history = ratio(key, *scenarios.COMPARED, deliveries_per_second)
        yield Target(f"history on against off, W={in_flight}", history, 0.9, 0.97)
    if container is not None and not container.reason:
        small = "0.25 of a core, 512 MB, p99 < 250 ms: "
        held = max(container.memory_mib, default=0)
        yield Target(f"{small}connections", held, 5000, 15_000, "connections")
        yield Target(f"{small}deliveries/s", container.held("deliveries"), 25_000, 25_000, "/s")
        yield Target(f"{small}forwards/s", container.held("forwards"), 1000, 1000, "/s")


def _growth(results: Results, server: str, in_flight: int) -> float | None:
    few, many = (scenarios.growth_key(count, in_flight) for count in (100, 10_000))
    return _quotient(results, server, many, few)


def _projects(results: Results) -> float | None:
    return _quotient(results, GATEWAY, scenarios.projects_key(10_000), scenarios.projects_key(1))


def _quotient(results: Results, server: str, one: str, other: str) -> float | None:
    first = results.value(one, server, cpu_us_per_delivery)
    second = results.value(other, server, cpu_us_per_delivery)
    return first / second if first is not None and second else None


def table(results: Results, container: SmallContainer | None) -> str:
    """The Markdown table of all targets that were measured."""
    rows = [target.row() for target in targets(results, container) if target.reached is not None]
    head = "| target | reached | must | reach for | |\n|---|---:|---:|---:|---|\n"
    return f"## Targets\n\n{head}" + "\n".join(rows) + "\n"
