"""Metrics for CloudWatch without one API call: lines in the embedded metric format on stdout.

CloudWatch Logs turns such a line into metrics. Counted values are those of the interval since the line before.
Zeros are written too, because silence would stop auto-scaling. Every value of a label is a metric of its own that
costs money, so labels are closed sets, and an error code is reported from its first occurrence on.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Final

from websocket_handler.telemetry.counters import SUMMARIES, Counters, Gauges
from websocket_handler.telemetry.log import log_line
from websocket_handler.telemetry.metrics import Metric, Unit, by_labels, metrics_of

NAMESPACE: Final = "AgenticAI/WebSocket"
SERVICE: Final = "websocket-handler"
LINE_BYTES_MAX: Final = 4096
"""No line is longer, however many metrics and codes there are."""

Values = dict[str, tuple[float, Unit]]
"""Metrics of one line by their names in CloudWatch."""
_COMMON: Final = ["Service", "Environment"]


class EmbeddedMetrics:
    """Writes a node's metrics. `wall` tells the time in seconds since 1970, `environment` is a dimension.

    `write` takes one line without its end. By default the line goes where the log goes, in its turn and without a wait.
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
        self._before = Counters()

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
        now = self._counters.copy()
        counted, self._before = now.since(self._before), now
        reported = [
            (metric, getattr(table, metric.name))
            for table in (self._gauges(), counted)
            for metric in metrics_of(type(table))
            if metric.pushed_as
        ]
        plain: Values = {metric.pushed_as: (value, metric.unit) for metric, value in reported if not metric.labels}
        for summary in SUMMARIES:
            value = summary.value(counted)
            if value is not None:
                plain[summary.pushed_as] = (value, summary.unit)
        labelled = (line for metric, values in reported if metric.labels for line in self._labelled(metric, values))
        return [self._line({}, plain), *labelled]

    def _labelled(self, metric: Metric, values: Mapping[object, float]) -> Iterator[str]:
        """One line for each combination of the labels' values."""
        seen = by_labels(values)
        for key in product(*(label.values for label in metric.labels)):
            if key in seen or not any(label.is_pushed_when_seen for label in metric.labels):
                dimensions = {label.name.capitalize(): value for label, value in zip(metric.labels, key, strict=True)}
                yield self._line(dimensions, {metric.pushed_as: (seen.get(key, 0), metric.unit)})

    def _line(self, dimensions: Mapping[str, str], metrics: Values) -> str:
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [[*_COMMON, *dimensions]],
            "Metrics": [{"Name": name, "Unit": unit.capitalize()} for name, (_, unit) in metrics.items()],
        }
        document = {
            "_aws": {"Timestamp": int(self._wall() * 1000), "CloudWatchMetrics": [directive]},
            "Service": SERVICE,
            "Environment": self._environment,
            **dimensions,
            **{name: value for name, (value, _) in metrics.items()},
        }
        return json.dumps(document, separators=(",", ":"))
