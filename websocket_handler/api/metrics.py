"""The table of metrics for Prometheus. Nothing is counted here; values are read when Prometheus asks."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from websocket_handler.telemetry.counters import Counters, Gauges
from websocket_handler.telemetry.metrics import Kind, by_labels, metrics_of

PREFIX: Final = "websocket_handler_"
_FAMILIES: Final = {Kind.COUNTER: CounterMetricFamily, Kind.GAUGE: GaugeMetricFamily}


class NodeCollector(Collector):
    """Reads the counters and gauges of one node.

    Every value of a label is there from the start, with 0. Otherwise a rule such as `increase(…[15m]) > 0` would miss
    the first failure: Prometheus sees no increase in a series that begins with 1.
    """

    def __init__(self, counters: Counters, gauges: Callable[[], Gauges]) -> None:
        self._counters = counters
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        for table in (self._gauges(), self._counters):
            for metric in metrics_of(type(table)):
                names = [label.name for label in metric.labels]
                zeros = dict.fromkeys(product(*(label.values for label in metric.labels)), 0.0)
                family = _FAMILIES[metric.kind](f"{PREFIX}{metric.name}", metric.meaning, labels=names)
                value = getattr(table, metric.name)
                for key, number in (zeros | dict(by_labels(value)) if names else {(): value}).items():
                    family.add_metric(key, number)
                yield family


def make_registry(counters: Counters, gauges: Callable[[], Gauges]) -> CollectorRegistry:
    """A registry with the node's metrics and the process's own."""
    registry = CollectorRegistry()
    registry.register(NodeCollector(counters, gauges))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
