"""Writes grafana.json, a dashboard for Grafana: `python docs/operations/grafana.py`. A test compares the two.

A panel is a line of a table here. Its explanation is what the table of metrics says about the first metric in it.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from websocket_handler.api.metrics import PREFIX
from websocket_handler.telemetry.counters import Counters, Gauges
from websocket_handler.telemetry.metrics import metrics_of

PAGE: Final = Path(__file__).resolve().with_name("grafana.json")
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
NODES: Final = '{job="$job", instance=~"$instance"}'
WIDTH: Final = 24
HEIGHT: Final = 7
METRIC: Final = re.compile(rf"{PREFIX}([a-z_]+?)(?:_total)?(?=[^a-z_]|$)")
MEANINGS: Final = {metric.name: metric.meaning for table in (Gauges, Counters) for metric in metrics_of(table)}


@dataclass(frozen=True)
class Panel:
    """A chart. Each of its series is a legend and a query, in which `%` stands for the nodes that are shown."""

    title: str
    series: dict[str, str]
    unit: str = "short"
    width: int = 8
    kind: str = "timeseries"


def per_second(name: str, by: str = "instance") -> str:
    """The rate of a counter."""
    return f"sum by ({by}) (rate({PREFIX}{name}_total%[$__rate_interval]))"


def gauge(name: str, by: str = "instance") -> str:
    """A gauge as it is."""
    return f"sum by ({by}) ({PREFIX}{name}%)"


def number(title: str, query: str, unit: str = "short") -> Panel:
    """A single number over all nodes."""
    return Panel(title, {"": query}, unit, 4, "stat")


ROWS: Final[dict[str, list[Panel]]] = {
    "Now": [
        number("Connections", f"sum({PREFIX}connections%)"),
        number("Deliveries per second", f"sum(rate({PREFIX}deliveries_total%[$__rate_interval]))"),
        number("Publications per second", f"sum(rate({PREFIX}publications_total%[$__rate_interval]))"),
        number("Errors per second", f"sum(rate({PREFIX}errors_total%[$__rate_interval]))"),
        number("Resumed with a gap, in an hour", f'sum(increase({PREFIX}recoveries_total%{{outcome="lost"}}[1h]))'),
        number("Nodes that drain", f"sum({PREFIX}draining%)"),
    ],
    "Clients": [
        Panel("Connections", {"{{instance}}": gauge("connections")}),
        Panel("Connections ended, by close code", {"{{code}}": per_second("connections_closed", "code")}, "ops"),
        Panel("Handshakes refused, by code", {"{{code}}": per_second("handshakes_refused", "code")}, "ops"),
        Panel("Resumed subscriptions", {"{{outcome}}": per_second("recoveries", "outcome")}, "ops"),
        Panel("Errors, by code", {"{{code}}": per_second("errors", "code")}, "ops"),
        Panel("Commands", {"{{action}}": per_second("commands", "action")}, "ops"),
    ],
    "Updates": [
        Panel("Publications", {"{{instance}}": per_second("publications")}, "ops"),
        Panel("Deliveries", {"{{instance}}": per_second("deliveries")}, "ops"),
        Panel("Messages of the updates queue", {"{{outcome}}": per_second("updates", "outcome")}, "ops"),
        Panel("Bytes that wait for clients", {"{{instance}}": gauge("outbox_bytes")}, "bytes"),
        Panel("Slow clients: outboxes that filled", {"{{instance}}": per_second("slow_pauses")}, "ops"),
        Panel("Publications in memory", {"{{instance}}": gauge("retained_bytes")}, "bytes"),
    ],
    "Work for agents": [
        Panel("Forwards", {"{{agent}} {{outcome}}": per_second("forwards", "agent, outcome")}, "ops"),
        Panel(
            "Mean time until the queue has a task",
            {"{{instance}}": f"{per_second('forward_seconds')} / {per_second('forwards')}"},
            "s",
        ),
        Panel("Tasks that wait for their queue", {"{{agent}}": gauge("forwards_waiting", "agent")}),
        Panel("Requests of AG-UI front ends", {"{{what}}": per_second("agui_requests", "what")}, "ops"),
        Panel("Events at which a front end would stop", {"{{instance}}": per_second("run_violations")}, "ops"),
        Panel("Event streams and polls that wait", {"{{instance}}": gauge("streams")}),
    ],
    "The nodes themselves": [
        Panel(
            "What is out of order",
            {
                "{{instance}}: cannot hear other nodes": gauge("backplane_down"),
                "{{instance}}: queues and tables that only you can mend": gauge("resources_unusable"),
            },
        ),
        Panel(
            "CPU",
            {"{{instance}}": "sum by (instance) (rate(process_cpu_seconds_total%[$__rate_interval]))"},
            "percentunit",
        ),
        Panel("Memory", {"{{instance}}": "sum by (instance) (process_resident_memory_bytes%)"}, "bytes"),
    ],
}


def query_of(text: str) -> str:
    """A query for the nodes that are shown. Labels of its own join theirs."""
    joined = re.sub(r"%\{([^}]*)\}", lambda own: f"{NODES[:-1]}, {own[1]}}}", text)
    return joined.replace("%", NODES)


def drawn(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    """A panel as Grafana wants it."""
    first = METRIC.search(next(iter(panel.series.values())))
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": MEANINGS[first[1]] if first else "",
        "datasource": DATASOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": HEIGHT if panel.kind == "timeseries" else 4},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": DATASOURCE, "expr": query_of(query), "legendFormat": legend}
            for index, (legend, query) in enumerate(panel.series.items())
        ],
    }


def panels() -> Iterator[dict[str, Any]]:
    """All panels, row by row."""
    number, y = 1, 0
    for title, row in ROWS.items():
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
        }
        number, y, x, height = number + 1, y + 1, 0, 0
        for panel in row:
            if x + panel.width > WIDTH:
                x, y = 0, y + height
            shown = drawn(panel, number, x, y)
            yield shown
            number, x, height = number + 1, x + panel.width, shown["gridPos"]["h"]
        y += height


def variable(name: str, label: str, query: str, *, is_many: bool) -> dict[str, Any]:
    """A choice at the top of the dashboard."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "multi": is_many,
        "includeAll": is_many,
        **({"current": {"text": "All", "value": "$__all"}} if is_many else {}),
    }


def page() -> str:
    """The whole file."""
    source = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    jobs = variable("job", "Job", f"label_values({PREFIX}connections, job)", is_many=False)
    nodes = variable("instance", "Node", f'label_values({PREFIX}connections{{job="$job"}}, instance)', is_many=True)
    dashboard = {
        "title": "websocket_handler",
        "uid": "websocket-handler",
        "tags": ["websocket_handler"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [source, jobs, nodes]},
        "panels": list(panels()),
    }
    return json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE.name}\n")
