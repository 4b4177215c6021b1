"""The metrics that CloudWatch reads out of the log."""

import asyncio
import json
from typing import Any

import pytest

from websocket_handler.adapters.aws.emf import LINE_BYTES_MAX, EmbeddedMetrics
from websocket_handler.protocol.codes import ErrorCode
from websocket_handler.telemetry.counters import Counters, Gauges

METRICS_PER_LINE_MAX = 100
CLOSED_DIMENSIONS = {"Service", "Environment", "Agent", "Outcome", "Code"}


def metrics_of(counters: Counters, *, connections: int = 0) -> EmbeddedMetrics:
    """Metrics of a node in the environment `prod` at a fixed time."""
    return EmbeddedMetrics(
        counters, lambda: Gauges(connections=connections, outbox_bytes=7), lambda: 1_700_000_000.5, "prod"
    )


def values(lines: list[str], name: str) -> dict[tuple[str, ...], Any]:
    """The values of one metric by its dimension values, beyond service and environment."""
    found = {}
    for line in map(json.loads, lines):
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        if any(metric["Name"] == name for metric in directive["Metrics"]):
            (dimensions,) = directive["Dimensions"]
            found[tuple(line[dimension] for dimension in dimensions[2:])] = line[name]
    return found


def test_every_line_follows_the_embedded_metric_format() -> None:
    """Each metric and dimension that the directive names is a member of the line; dimensions are closed sets."""
    counters = Counters()
    counters.errors.update({code.value: 1 for code in ErrorCode})
    for line in metrics_of(counters).lines():
        document = json.loads(line)
        assert document["_aws"]["Timestamp"] == 1_700_000_000_500
        (directive,) = document["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "AgenticAI/WebSocket"
        assert len(directive["Metrics"]) <= METRICS_PER_LINE_MAX
        assert all(isinstance(document[metric["Name"]], int | float) for metric in directive["Metrics"])
        (dimensions,) = directive["Dimensions"]
        assert set(dimensions) <= CLOSED_DIMENSIONS
        assert all(isinstance(document[dimension], str) and document[dimension] for dimension in dimensions)
        assert (document["Service"], document["Environment"]) == ("websocket-handler", "prod")
        assert len(line) < LINE_BYTES_MAX


def test_a_node_without_traffic_reports_zeros() -> None:
    """No data would mean no scaling, and would look like a dead node."""
    lines = metrics_of(Counters()).lines()
    for name in ("ActiveConnections", "Publications", "Deliveries", "ForwardsConfirmed", "ForwardsFailed", "Errors"):
        assert values(lines, name) == {(): 0}
    assert set(values(lines, "Forwards").values()) == {0}
    assert len(values(lines, "Forwards")) == 16
    assert values(lines, "Recoveries") == {("recovered",): 0, ("lost",): 0}
    assert values(lines, "ForwardLatency") == {}
    assert values(lines, "ErrorsByCode") == {}


def test_counted_values_are_those_of_the_interval() -> None:
    """Totals that only grow become counts per line; gauges stay what they are."""
    counters = Counters()
    metrics = metrics_of(counters, connections=3)
    counters.publications, counters.deliveries, counters.forward_seconds = 5, 50, 1.0
    counters.forwards["dev", "confirmed"] = 3
    counters.forwards["qa", "failed"] = 1
    counters.forwards["qa", "overloaded"] = 7
    counters.errors["rate_limited"] = 2
    counters.recoveries["lost"] = 4
    first = metrics.lines()
    counters.publications = 6
    second = metrics.lines()
    assert values(first, "ActiveConnections") == {(): 3}
    assert values(first, "OutboxBytes") == {(): 7}
    assert (values(first, "Publications"), values(second, "Publications")) == ({(): 5}, {(): 1})
    assert values(first, "Forwards")["dev", "confirmed"] == 3
    assert values(first, "ForwardsFailed") == {(): 1}
    assert values(first, "ForwardLatency") == {(): 250.0}, "four were answered, seven refused on the spot"
    assert (values(first, "Errors"), values(first, "ErrorsByCode")) == ({(): 2}, {("rate_limited",): 2})
    assert values(second, "ErrorsByCode") == {("rate_limited",): 0}, "a code stays once it was seen"
    assert values(first, "Recoveries")[("lost",)] == 4


def test_metrics_are_written_until_they_are_stopped() -> None:
    """`run` writes at once and again after each interval."""
    written: list[str] = []
    enough = asyncio.Event()

    def write(line: str) -> None:
        written.append(line)
        if sum('"ActiveConnections":' in line for line in written) == 2:
            enough.set()

    async def scenario() -> None:
        metrics = EmbeddedMetrics(Counters(), lambda: Gauges(connections=1, draining=1), lambda: 0.0, "dev", write)
        running = asyncio.create_task(metrics.run(0))
        await enough.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(scenario())
    assert values(written, "Draining") == {(): 1}
