"""The cost sheet is the price table's, and says what has to be said."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.scripts import load_script

OPERATIONS = Path(__file__).resolve().parents[2] / "docs" / "operations"


@pytest.fixture(scope="module")
def costs() -> ModuleType:
    """The script that writes the sheet."""
    return load_script(OPERATIONS / "costs.py")


def test_the_sheet_is_what_the_prices_give(costs: ModuleType) -> None:
    """Change a price, run the script: nobody edits the sheet."""
    assert (OPERATIONS / "costs.md").read_text(encoding="utf-8") == costs.sheet()


def test_every_price_has_a_source_and_the_table_a_date() -> None:
    """Without them nobody could tell what is out of date."""
    table = json.loads((OPERATIONS / "prices.json").read_text(encoding="utf-8"))
    date.fromisoformat(table["date"])
    assert all(entry["source"] and entry["price"] > 0 for entry in table["prices"].values())


def test_the_smallest_task_costs_what_is_known(costs: ModuleType) -> None:
    """0.25 vCPU and 0.5 GB for 730 hours, worked out by hand: 9.01."""
    table = json.loads((OPERATIONS / "prices.json").read_text(encoding="utf-8"))
    price = {name: entry["price"] for name, entry in table["prices"].items()}
    known = costs.lines(costs.SIZES[0], price, 730)
    assert known["Fargate task (x86)"] == pytest.approx(9.01, abs=0.005)
    assert known["Load balancer"] == pytest.approx(16.43, abs=0.005)
    assert known["Public IPv4 addresses (3)"] == pytest.approx(10.95, abs=0.005)


def test_gathering_makes_a_third_of_the_writes_and_a_fifth_of_the_requests(costs: ModuleType) -> None:
    """30 tokens a second with 100 ms on one log; 250 forwards a second with 20 ms to one queue."""
    tokens, agents, forwards, queues = costs.LINGERS
    assert tokens.calls_per_s == (30, 10)
    assert agents.calls_per_s == (600, 200)
    assert forwards.calls_per_s == (250, 50)
    assert queues.calls_per_s == (250, 50)
    assert tokens.row({"dynamodb_write_million": 0.625}).endswith("| 30 | 10 | 16.43 | 5.47 |")


def test_the_sheet_says_that_fargate_is_not_free() -> None:
    """The claim is widespread."""
    assert "Fargate has no permanent free tier" in (OPERATIONS / "costs.md").read_text(encoding="utf-8")


def test_every_runbook_that_an_alarm_names_exists() -> None:
    """An alarm at night leads to a heading."""
    template = (OPERATIONS.parents[1] / "template.yaml").read_text(encoding="utf-8")
    named = set(re.findall(r"docs/operations/alarms\.md#([\w-]+)", template))
    headings = re.findall(r"^## (.+)$", (OPERATIONS / "alarms.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert named <= {heading.lower().replace(" ", "-") for heading in headings}
    assert len(named) >= 8
