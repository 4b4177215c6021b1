"""Metrics for CloudWatch without one API call: lines in the embedded metric format on stdout.

CloudWatch Logs turns such a line into metrics. Counted values are those of the interval since the line before;
zeros are written too, because silence would stop auto-scaling. Every dimension value is a metric of its own that
costs money, so dimensions are closed sets, and an error code is reported from its first occurrence on (`Errors`,
the sum, always is). A latency is written only for an interval that had forwards: no forward is not a fast one.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from websocket_handler.protocol.codes import ErrorCode
from websocket_handler.protocol.names import Agent
from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.log import log_line

NAMESPACE: Final = "AgenticAI/WebSocket"
SERVICE: Final = "websocket-handler"
FORWARD_OUTCOMES: Final = ("confirmed", "failed", "rejected", "overloaded")
RECOVERY_OUTCOMES: Final = ("recovered", "lost")
LINE_BYTES_MAX: Final = 4096
"""No line is longer, however many metrics and codes there are."""

_COMMON: Final = ["Service", "Environment"]
_COUNT: Final = "Count"


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is true at this moment, not counted."""

    active_connections: int
    outbox_bytes: int
    is_draining: bool


@dataclass(frozen=True, slots=True)
class _Totals:
    """The counters as they were at the line before."""

    publications: int
    deliveries: int
    forward_seconds: float
    forwards: Mapping[tuple[str, str], int]
    errors: Mapping[str, int]
    recoveries: Mapping[str, int]

    @classmethod
    def of(cls, counters: Counters) -> "_Totals":
        return cls(
            counters.publications,
            counters.deliveries,
            counters.forward_seconds,
            Counter(counters.forwards),
            Counter(counters.errors),
            Counter(counters.recoveries),
        )


class EmbeddedMetrics:
    """Writes a node's metrics. `wall` tells the time in seconds since 1970, `environment` is a dimension.

    `write` takes one line without its end. By default it goes where the log goes, in its turn and without a wait.
    """

    def __init__(
        self,
        counters: Counters,
        gauges: Callable[[], Gauges],
        wall: Callable[[], float],
        environment: str,
        write: Callable[[str], None] = log_line,
    ) -> None:
        self._counters = counters
        self._gauges = gauges
        self._wall = wall
        self._environment = environment
        self._write = write
        self._before = _Totals.of(Counters())

    async def run(self, interval_s: float) -> None:
        """Write at once and then every `interval_s` seconds, until cancelled."""
        while True:
            self.emit()
            await asyncio.sleep(interval_s)

    def emit(self) -> None:
        """Write what happened since the last time."""
        for line in self.lines():
            self._write(line)

    def lines(self) -> list[str]:
        """What happened since the last call, as lines of JSON; no line is longer than `LINE_BYTES_MAX`."""
        before, now = self._before, _Totals.of(self._counters)
        self._before = now
        forwards = {key: count - before.forwards.get(key, 0) for key, count in now.forwards.items()}
        errors = {code: count - before.errors.get(code, 0) for code, count in now.errors.items()}
        recoveries = {key: count - before.recoveries.get(key, 0) for key, count in now.recoveries.items()}
        lines = [self._node_line(before, now, forwards, sum(errors.values()))]
        lines += [
            self._line({"Agent": agent.value, "Outcome": outcome}, {"Forwards": (count, _COUNT)})
            for agent in Agent
            for outcome in FORWARD_OUTCOMES
            for count in (forwards.get((agent.value, outcome), 0),)
        ]
        lines += [
            self._line({"Outcome": outcome}, {"Recoveries": (recoveries.get(outcome, 0), _COUNT)})
            for outcome in RECOVERY_OUTCOMES
        ]
        lines += [
            self._line({"Code": code.value}, {"ErrorsByCode": (errors[code.value], _COUNT)})
            for code in ErrorCode
            if code.value in errors
        ]
        return lines

    def _node_line(self, before: _Totals, now: _Totals, forwards: Mapping[tuple[str, str], int], errors: int) -> str:
        gauges = self._gauges()
        by_outcome: Counter[str] = Counter()
        for (_, outcome), count in forwards.items():
            by_outcome[outcome] += count
        metrics: dict[str, tuple[float, str]] = {
            "ActiveConnections": (gauges.active_connections, _COUNT),
            "OutboxBytes": (gauges.outbox_bytes, "Bytes"),
            "Draining": (int(gauges.is_draining), _COUNT),
            "Publications": (now.publications - before.publications, _COUNT),
            "Deliveries": (now.deliveries - before.deliveries, _COUNT),
            "ForwardsConfirmed": (by_outcome["confirmed"], _COUNT),
            "ForwardsFailed": (by_outcome["failed"], _COUNT),
            "Errors": (errors, _COUNT),
        }
        answered = by_outcome.total() - by_outcome["overloaded"]  # those were refused on the spot
        if answered:
            seconds = now.forward_seconds - before.forward_seconds
            metrics["ForwardLatency"] = (round(1000 * seconds / answered, 3), "Milliseconds")
        return self._line({}, metrics)

    def _line(self, dimensions: Mapping[str, str], metrics: Mapping[str, tuple[float, str]]) -> str:
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [[*_COMMON, *dimensions]],
            "Metrics": [{"Name": name, "Unit": unit} for name, (_, unit) in metrics.items()],
        }
        document = {
            "_aws": {"Timestamp": int(self._wall() * 1000), "CloudWatchMetrics": [directive]},
            "Service": SERVICE,
            "Environment": self._environment,
            **dimensions,
            **{name: value for name, (value, _) in metrics.items()},
        }
        return json.dumps(document, separators=(",", ":"))
