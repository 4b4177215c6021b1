"""The table of metrics: what it lists, what is counted of an interval, and the page that is made from it."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.scripts import load_script
from websocket_handler.protocol.codes import CloseCode
from websocket_handler.telemetry.counters import CLOSE_CODE, SUMMARIES, Counters, Gauges
from websocket_handler.telemetry.metrics import Kind, metrics_of

REPOSITORY = Path(__file__).resolve().parents[3]
OPERATIONS = REPOSITORY / "docs" / "operations"
TABLE = (*metrics_of(Gauges), *metrics_of(Counters))


def test_the_hot_path_adds_to_plain_slots() -> None:
    assert not hasattr(Counters(), "__dict__")
    assert Counters.__slots__ == tuple(metric.name for metric in metrics_of(Counters))


def test_no_name_stands_twice() -> None:
    names = [metric.name for metric in TABLE]
    pushed = [metric.pushed_as for metric in TABLE if metric.pushed_as] + [one.pushed_as for one in SUMMARIES]
    assert len(names) == len(set(names))
    assert len(pushed) == len(set(pushed))


def test_a_new_node_has_counted_nothing() -> None:
    counters = Counters()
    for metric in metrics_of(Counters):
        assert getattr(counters, metric.name) == (Counter() if metric.labels else 0)


def test_an_interval_is_what_was_counted_since_then() -> None:
    counters = Counters(publications=5, streams=2)
    counters.errors["rate_limited"] = 3
    before = counters.copy()
    counters.publications += 2
    counters.streams += 1
    counters.errors["internal"] += 1
    counters.forwards["dev", "confirmed"] += 4

    counted = counters.since(before)

    assert (before.publications, before.errors) == (5, {"rate_limited": 3}), "a copy stays what it was"
    assert counted.publications == 2
    assert counted.streams == 3, "a gauge is what it is now"
    assert counted.errors == {"rate_limited": 0, "internal": 1}
    assert "rate_limited" in counted.errors, "a code stays once it was seen"
    assert counted.forwards == {("dev", "confirmed"): 4}


@pytest.mark.parametrize(
    ("code", "label"),
    [*((int(code), str(int(code))) for code in CloseCode), (1006, "1006"), (3000, "other"), (4999, "other")],
)
def test_a_close_code_that_only_a_client_knows_makes_no_label(code: int, label: str) -> None:
    counters = Counters()
    counters.connection_closed(code)
    assert counters.connections_closed == {label: 1}
    assert label in CLOSE_CODE.values


def counted_literals(path: Path) -> Iterator[tuple[str, int, str]]:
    """Where a file counts under a label that it writes out: the metric, the label's index, and the value."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute):
            keys = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            for place, key in enumerate(keys):
                for part in ast.walk(key):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield node.value.attr, place, part.value


def test_every_value_that_the_code_spells_is_one_of_its_label() -> None:
    labels = {metric.name: metric.labels for metric in metrics_of(Counters) if metric.labels}
    found = {
        (name, place, value)
        for path in (REPOSITORY / "websocket_handler").rglob("*.py")
        for name, place, value in counted_literals(path)
        if name in labels
    }
    assert len(found) > 10
    assert [one for one in found if one[2] not in labels[one[0]][one[1]].values] == []


def test_the_page_is_what_the_table_gives() -> None:
    """Change the table, run `make metrics`: nobody edits the page."""
    script = load_script(OPERATIONS / "metrics.py")
    assert (OPERATIONS / "metrics.md").read_text(encoding="utf-8") == script.page()


def test_every_counter_only_grows() -> None:
    assert [metric.name for metric in metrics_of(Counters) if metric.kind is Kind.GAUGE] == ["streams"]
    assert {metric.kind for metric in metrics_of(Gauges)} == {Kind.GAUGE}
