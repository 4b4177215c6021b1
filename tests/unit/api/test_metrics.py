"""What Prometheus gets: every line of the table, under its name."""

from math import prod

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from websocket_handler.api.metrics import PREFIX, make_registry
from websocket_handler.telemetry.counters import Counters, Gauges
from websocket_handler.telemetry.metrics import metrics_of


def samples(counters: Counters, gauges: Gauges) -> dict[tuple[str, ...], float]:
    """Every value by its name without the prefix, and the values of its labels."""
    text = generate_latest(make_registry(counters, lambda: gauges)).decode()
    return {
        (sample.name.removeprefix(PREFIX), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counters_and_gauges_are_read_when_they_are_asked_for() -> None:
    counters = Counters(deliveries=7, forward_seconds=1.5, streams=2)
    counters.commands["ping"] += 3
    counters.forwards["dev", "confirmed"] += 4
    counters.connection_closed(1006)
    told = samples(counters, Gauges(connections=5, forwards_waiting={"qa": 6}))

    assert told["deliveries_total",] == 7
    assert told["forward_seconds_total",] == 1.5
    assert told["streams",] == 2
    assert told["commands_total", "ping"] == 3
    assert told["forwards_total", "dev", "confirmed"] == 4
    assert told["connections_closed_total", "1006"] == 1
    assert told["connections",] == 5
    assert told["forwards_waiting", "qa"] == 6
    assert told["publications_total",] == 0


def test_every_value_of_a_label_is_there_before_it_is_counted() -> None:
    """Prometheus sees the first failure only as an increase from 0."""
    told = samples(Counters(), Gauges())
    assert told["forwards_total", "dev", "failed"] == 0
    for table in (Gauges, Counters):
        for metric in metrics_of(table):
            shown = [key for key in told if key[0] in (metric.name, f"{metric.name}_total")]
            assert len(shown) == prod(len(label.values) for label in metric.labels)
    assert len(told) < 400


def test_every_metric_is_described() -> None:
    text = generate_latest(make_registry(Counters(), Gauges)).decode()
    for metric in (*metrics_of(Gauges), *metrics_of(Counters)):
        assert f" {metric.meaning}\n" in text
        assert f"# TYPE {PREFIX}{metric.name}" in text
    assert "process_resident_memory_bytes " in text
