"""The verdicts of a run, for people and for programs."""

import json
from dataclasses import replace
from typing import Any

import pytest

from websocket_handler.cli import EXIT_BROKEN, EXIT_FAILED
from websocket_handler.cli.verify.report import (
    PROMISES,
    TITLES,
    Recovery,
    Report,
    as_json,
    as_text,
    percentile,
    recovery_of,
    row,
)
from websocket_handler.cli.verify.witness import Counts

Changes = dict[str, Any]

KEPT = Report(
    seconds=60.0,
    urls=3,
    clients=50,
    projects=4,
    confirmed=3000,
    retries=7,
    unconfirmed=1,
    deliveries=37500,
    reconnects=50,
    resets=2,
    skipped=3,
    lost=0,
    doubled=0,
    reordered=0,
    forked=0,
    false_recoveries=0,
    recovery=Recovery(50, 0.4, 1.2, 1.3),
    refusals={"draining": 4},
    unusable="",
)


def test_a_run_without_a_broken_promise_ends_with_0() -> None:
    assert (KEPT.exit_code, KEPT.broken) == (0, [])
    assert as_text(KEPT).endswith("\nEvery promise was kept.")


@pytest.mark.parametrize("promise", PROMISES)
def test_each_promise_can_be_broken(promise: str) -> None:
    changes: Changes = {promise: 1}
    report = replace(KEPT, **changes)
    assert (report.exit_code, report.broken) == (EXIT_BROKEN, [promise])
    assert as_text(report).endswith(f"\nBROKEN: {promise.replace('_', ' ')}")
    assert json.loads(as_json(report))["kept"] is False


def test_a_run_that_could_not_judge_is_no_success() -> None:
    report = replace(KEPT, unusable="handshake 401: no repetition will help")
    assert report.exit_code == EXIT_FAILED
    assert as_text(report).endswith("\nNo verdict. handshake 401: no repetition will help")
    assert replace(report, doubled=1).exit_code == EXIT_BROKEN, "a double is one, however the run ended"


def test_the_json_has_every_figure() -> None:
    found = json.loads(as_json(KEPT))
    assert found["kept"] is True
    assert found["recovery"] == {"count": 50, "p50_s": 0.4, "p99_s": 1.2, "max_s": 1.3}
    assert found["refusals"] == {"draining": 4}
    assert {name: found[name] for name in PROMISES} == dict.fromkeys(PROMISES, 0)


def test_the_text_has_every_figure() -> None:
    text = as_text(KEPT)
    for part in ("3,000", "sent again 7", "never confirmed 1", "37,500", "skipped 3", "p50 0.40 s", "p99 1.20 s"):
        assert part in text
    assert "max 1.30 s" in text
    assert "draining" in text


def test_percentiles_are_values_that_were_measured() -> None:
    assert recovery_of([]) == Recovery(0, 0.0, 0.0, 0.0)
    assert recovery_of([3.0]) == Recovery(1, 3.0, 3.0, 3.0)
    hundred = [float(value) for value in range(1, 101)]
    assert (percentile(hundred, 0.5), percentile(hundred, 0.99), percentile(hundred, 1.0)) == (50.0, 99.0, 100.0)
    assert recovery_of(reversed(hundred)) == Recovery(100, 50.0, 99.0, 100.0)


def test_a_row_stands_below_its_titles() -> None:
    counts = Counts(deliveries=37500, reconnects=50, doubled=1, reordered=2, false_recoveries=3)
    shown = row(12.0, 50, 3000, 7, 9, 4, counts)
    assert len(shown) == len(TITLES)
    assert shown.split() == ["12", "s", "50", "50", "3000", "7", "37500", "9", "1", "2", "4", "3"]
