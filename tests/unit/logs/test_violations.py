"""The log of broken rules: who, where and which clients stop, and no agent can fill it."""

from typing import Any

from websocket_handler.logs.runs.fold import Folded
from websocket_handler.logs.runs.problems import ONLY_V0, Problem, Rule
from websocket_handler.logs.violations import BURST, LINES_PER_SECOND, TOLD_MAX, Violations
from websocket_handler.telemetry.counters import Counters


class Bench:
    def __init__(self) -> None:
        self.now = 0.0
        self.lines: list[dict[str, Any]] = []
        self.counters = Counters()
        self.violations = Violations(self.counters, self._report, lambda: self.now)

    def _report(self, event: str, fields: dict[str, object]) -> None:
        self.lines.append({"event": event, **fields})

    def see(self, *problems: Problem, run_id: str | None = "r", offset: int = 7) -> None:
        self.violations.saw("p", offset, Folded(run_id, problems))


NOT_OPEN = Problem(Rule.NOT_OPEN, "there is no 'SECRET'")
ONLY_OLD = Problem(Rule.NOT_IN_0_0_59, "", ONLY_V0)
FULL = Problem(Rule.STATE_FULL, "", ())


def test_a_line_says_where_and_who_stops_and_quotes_nothing() -> None:
    bench = Bench()
    bench.see(NOT_OPEN, ONLY_OLD)
    bench.see(FULL, run_id=None, offset=8)
    place = {"event": "run.violation", "project_id": "p"}
    assert bench.lines == [
        {**place, "run_id": "r", "offset": 7, "rule": "not_open", "stops": ["1.0", "0.0.59"]},
        {**place, "run_id": "r", "offset": 7, "rule": "not_in_0.0.59", "stops": ["0.0.59"]},
        {**place, "run_id": None, "offset": 8, "rule": "state_full", "stops": []},
    ]
    assert bench.counters.run_violations == 1, "where a client stops"


def test_a_run_has_one_line_for_each_rule_and_all_are_counted() -> None:
    bench = Bench()
    for offset in range(1, 1001):
        bench.now += 100
        bench.see(NOT_OPEN, offset=offset)
    assert [line["offset"] for line in bench.lines] == [1]
    assert bench.counters.run_violations == 1000


def test_many_runs_do_not_fill_the_log_and_hide_no_other_rule() -> None:
    bench = Bench()
    for number in range(1000):
        bench.see(NOT_OPEN, run_id=f"r{number}")
    assert len(bench.lines) == BURST
    bench.see(ONLY_OLD)
    assert bench.lines[-1]["rule"] == "not_in_0.0.59"
    bench.now = 1 / LINES_PER_SECOND
    bench.see(NOT_OPEN, run_id="of another agent")
    assert bench.lines[-1]["left_out"] == 1000 - BURST
    bench.now *= 2
    bench.see(NOT_OPEN, run_id="and one more")
    assert "left_out" not in bench.lines[-1]


def test_the_oldest_of_too_many_lines_is_forgotten() -> None:
    for others, lines in ((TOLD_MAX - 1, 1), (TOLD_MAX, 2)):
        bench = Bench()
        bench.see(NOT_OPEN)
        for number in range(others):
            bench.now += 1 / LINES_PER_SECOND
            bench.see(NOT_OPEN, run_id=f"r{number}")
        bench.now += 1 / LINES_PER_SECOND
        bench.see(NOT_OPEN)
        assert sum(line["run_id"] == "r" for line in bench.lines) == lines
