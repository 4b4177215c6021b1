"""The Grafana dashboard and the rules for Prometheus ask for metrics that the gateway has, in a way that fits them."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest
import yaml

from tests.house.files import ROOT
from tests.support.scripts import load_script
from websocket_handler.api.metrics import PREFIX
from websocket_handler.telemetry.counters import Counters, Gauges
from websocket_handler.telemetry.metrics import Kind, Metric, metrics_of

OPERATIONS: Final = ROOT / "docs" / "operations"
DASHBOARD: Final[dict[str, Any]] = json.loads((OPERATIONS / "grafana.json").read_text(encoding="utf-8"))
RULES: Final[dict[str, Any]] = yaml.safe_load((OPERATIONS / "prometheus-alerts.yaml").read_text(encoding="utf-8"))
METRICS: Final[dict[str, Metric]] = {
    f"{PREFIX}{metric.name}{'_total' if metric.kind is Kind.COUNTER else ''}": metric
    for table in (Gauges, Counters)
    for metric in metrics_of(table)
}
OF_THE_PROCESS: Final = {"process_cpu_seconds_total", "process_resident_memory_bytes"}
OF_THE_SCRAPE: Final = {"job", "instance"}
"""Labels that Prometheus adds by itself."""
USE: Final = re.compile(rf"(rate\(|increase\(|absent\()?((?:{PREFIX}|process_)\w+)(\{{[^}}]*\}})?(\[[^\]]+\])?")
SELECTED: Final = re.compile(r'(\w+)(?:=~|=)"([^"]*)"')
GROUPED: Final = re.compile(r"by \(([^)]*)\)")


def faults_of(query: str) -> list[str]:
    """What the table of metrics has against a query."""
    faults: list[str] = []
    uses = USE.findall(query)
    if not uses:
        faults.append("it names no metric")
    labels: set[str] = set(OF_THE_SCRAPE)
    for function, name, selector, span in uses:
        metric = METRICS.get(name)
        if metric is None:
            faults += [] if name in OF_THE_PROCESS else [f"there is no {name}"]
            continue
        values = {label.name: set(label.values) for label in metric.labels}
        labels |= set(values)
        if (metric.kind is Kind.COUNTER) != bool(span):
            faults.append(f"{name} is a {metric.kind}: {function}")
        faults += [
            f"{name} has no {label}={value}"
            for label, asked in SELECTED.findall(selector)
            if label not in OF_THE_SCRAPE
            for value in asked.split("|")
            if value not in values.get(label, set())
        ]
    grouped = {label.strip() for group in GROUPED.findall(query) for label in group.split(",")}
    return [*faults, *(f"nothing has the label {label}" for label in sorted(grouped - labels))]


def test_the_dashboard_is_up_to_date() -> None:
    """Change its table, and run `make reference`."""
    assert (OPERATIONS / "grafana.json").read_text(encoding="utf-8") == load_script(OPERATIONS / "grafana.py").page()


def test_every_panel_asks_for_metrics_that_exist_and_says_what_they_mean() -> None:
    charts = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    queries = [(panel["title"], target["expr"]) for panel in charts for target in panel["targets"]]
    assert len(queries) > 20
    assert {title: faults for title, query in queries if (faults := faults_of(query))} == {}
    assert [panel["title"] for panel in charts if not panel["description"] and "process_" not in str(panel)] == []


def test_panels_have_places_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _y in taken) < 24


@pytest.mark.parametrize("rule", RULES["groups"][0]["rules"], ids=lambda rule: str(rule["alert"]))
def test_a_rule_asks_for_metrics_that_exist_and_has_a_runbook(rule: dict[str, Any]) -> None:
    assert faults_of(rule["expr"]) == []
    page, _, heading = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^## (.+)$", (OPERATIONS / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert heading in {each.lower().replace(" ", "-") for each in headings}


@pytest.mark.parametrize(
    "query",
    [
        "sum(websocket_handler_connection)",
        "sum(websocket_handler_deliveries_total)",
        "rate(websocket_handler_connections[1m])",
        'sum(increase(websocket_handler_recoveries_total{outcome="gone"}[1h]))',
        "sum by (code) (websocket_handler_connections)",
        "vector(1)",
    ],
)
def test_a_query_that_is_wrong_would_be_found(query: str) -> None:
    assert len(faults_of(query)) == 1
