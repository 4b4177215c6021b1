"""The node's counters as Prometheus metrics. Nothing is counted here: values are read when they are asked for."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from websocket_handler.delivery.node import Node
from websocket_handler.protocol.names import Agent

PREFIX = "websocket_handler_"
Labels = TypeVar("Labels", bound=tuple[str, ...])


class NodeCollector(Collector):
    """Reads one node. Labels are closed sets: never a project, a connection or anything a client chose."""

    def __init__(self, node: Node, forwards_waiting: Callable[[], Mapping[Agent, int]]) -> None:
        self._node = node
        self._forwards_waiting = forwards_waiting

    def collect(self) -> Iterator[Metric]:
        yield from self._gauges()
        yield from self._counters()
        counters = self._node.engine.counters
        yield _labelled("commands", "Commands by action", ("action",), {(k,): v for k, v in counters.commands.items()})
        yield _labelled("errors", "Error answers by code", ("code",), {(k,): v for k, v in counters.errors.items()})
        closes = {(str(code),): count for code, count in counters.close_codes.items()}
        yield _labelled("connections_closed", "Connections ended, by close code", ("code",), closes)
        refused = {(code,): count for code, count in counters.handshakes_refused.items()}
        yield _labelled("handshakes_refused", "Handshakes refused, by error code", ("code",), refused)
        refused = {(code,): count for code, count in counters.streams_refused.items()}
        yield _labelled("streams_refused", "Event streams and waiting polls refused, by code", ("code",), refused)
        recoveries = {(outcome,): count for outcome, count in counters.recoveries.items()}
        yield _labelled("recoveries", "Resumed subscriptions by outcome", ("outcome",), recoveries)
        yield _labelled("forwards", "Forwards by agent and outcome", ("agent", "outcome"), counters.forwards)
        updates = {(outcome,): count for outcome, count in counters.updates.items()}
        protections = {(outcome,): count for outcome, count in counters.protections.items()}
        yield _labelled("scale_in_protections", "Protection from scale-in by outcome", ("outcome",), protections)
        yield _labelled("updates", "Messages of the updates queue by outcome", ("outcome",), updates)

    def _gauges(self) -> Iterator[Metric]:
        node = self._node
        buffered = sum(connection.transport.buffered_bytes() for connection in node.connections.values())
        yield _gauge("connections", "Live connections", len(node.connections))
        yield _gauge("streams", "Event streams and polls that wait", node.engine.counters.streams)
        yield _gauge("subscriptions", "Subscriptions", sum(len(project.fan_out) for project in node.projects))
        yield _gauge("projects", "Open projects", sum(1 for _ in node.projects))
        yield _gauge("retained_bytes", "Bytes of retained publications in memory", node.projects.retained_bytes)
        yield _gauge("outbox_bytes", "Bytes that wait for clients", buffered)
        waiting = GaugeMetricFamily(f"{PREFIX}forwards_waiting", "Forwards not yet answered", labels=("agent",))
        for agent, count in self._forwards_waiting().items():
            waiting.add_metric((agent.value,), count)
        yield waiting

    def _counters(self) -> Iterator[Metric]:
        counters = self._node.engine.counters
        for name, documentation, value in (
            ("connections_opened", "Connections taken in", counters.connections_opened),
            ("publications", "Publications committed", counters.publications),
            ("segments", "Writes to the log store", counters.segments),
            ("broadcasts", "Broadcasts sent", counters.broadcasts),
            ("deliveries", "Publications and broadcasts handed to clients", counters.deliveries),
            ("slow_pauses", "Times a client's outbox filled", counters.slow_pauses),
            ("subscription_resets", "Cursors moved because the log no longer reached them", counters.resets),
            ("forward_retries", "Forwards tried again", counters.forward_retries),
            ("forward_seconds", "Time from command to receipt, summed", counters.forward_seconds),
            ("pings_deferred", "Pings beyond the rate: only the latest is answered, later", counters.pings_deferred),
            ("log_records_dropped", "Log lines lost: stdout blocked, or its disk full", counters.log_records_dropped),
        ):
            yield CounterMetricFamily(f"{PREFIX}{name}", documentation, value)


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}{name}", documentation, value)


def _labelled(name: str, documentation: str, labels: tuple[str, ...], values: Mapping[Labels, int]) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}{name}", documentation, labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family


def make_registry(node: Node, forwards_waiting: Callable[[], Mapping[Agent, int]]) -> CollectorRegistry:
    """A registry with the node's metrics and the process's own."""
    registry = CollectorRegistry()
    registry.register(NodeCollector(node, forwards_waiting))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
