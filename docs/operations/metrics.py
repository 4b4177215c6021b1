"""Writes metrics.md from the table of metrics: `python docs/operations/metrics.py`. A test compares the two."""

import sys
from pathlib import Path

from websocket_handler.adapters.aws.emf import NAMESPACE
from websocket_handler.api.metrics import PREFIX
from websocket_handler.telemetry.counters import CLOSE_CODE, ERROR_CODE, REFUSAL, SUMMARIES, Counters, Gauges
from websocket_handler.telemetry.metrics import Kind, Label, Metric, metrics_of

PAGE = Path(__file__).resolve().with_name("metrics.md")
ERROR_CODES = "an [error code](../../spec/protocol.md#7-errors)"
LONG = {
    ERROR_CODE: f"`code`: {ERROR_CODES}",
    REFUSAL: f"`code`: {ERROR_CODES}, or `dropped` if the node was too busy to answer, `gone` if the client had left",
    CLOSE_CODE: "`code`: a [close code](../../spec/protocol.md#8-close-codes), or `other`",
}
"""Labels with too many values for a table."""

HEAD = f"""# Metrics

`make metrics` writes this page from `websocket_handler/telemetry/counters.py`.

`GET /metrics` gives all of them to Prometheus, together with the metrics of the process (`process_*`, `python_*`).
With `METRICS=emf`, the gateway also writes those that have a name in CloudWatch to its log, every `METRICS_INTERVAL_S`
seconds. CloudWatch Logs turns these lines into metrics of the namespace `{NAMESPACE}`. They have the
dimensions `Service` and `Environment`, and each label is a dimension, too.

A counter is the total since the start in Prometheus, and the count of one interval in CloudWatch. The values of a label
are a closed set: no label shows a project, a user, or anything else that a client chose.

| Prometheus | kind | labels | CloudWatch | meaning |
| --- | --- | --- | --- | --- |
"""

SUMMARY_HEAD = """
CloudWatch alone gets these sums and means, because an alarm there cannot add up the values of a label. An interval
without forwards has no `ForwardLatency`.

| CloudWatch | unit | meaning |
| --- | --- | --- |
"""


def labels_of(label: Label) -> str:
    """A label with its values."""
    return LONG.get(label) or f"`{label.name}`: {', '.join(label.values)}"


def row(metric: Metric) -> str:
    """One line of the table."""
    name = f"`{PREFIX}{metric.name}{'_total' if metric.kind is Kind.COUNTER else ''}`"
    cloudwatch = f"`{metric.pushed_as}`" if metric.pushed_as else ""
    return (
        f"| {name} | {metric.kind} | {'; '.join(map(labels_of, metric.labels))} | {cloudwatch} | {metric.meaning} |\n"
    )


def page() -> str:
    """The whole page."""
    rows = "".join(row(metric) for table in (Gauges, Counters) for metric in metrics_of(table))
    summaries = "".join(f"| `{one.pushed_as}` | {one.unit} | {one.meaning} |\n" for one in SUMMARIES)
    return HEAD + rows + SUMMARY_HEAD + summaries


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE.name}\n")
