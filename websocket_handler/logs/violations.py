"""Counts where events of runs break the rules of AG-UI, and logs it. No agent can flood the log with that."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from websocket_handler.logs.runs.fold import Folded
from websocket_handler.logs.runs.problems import Problem, Rule
from websocket_handler.protocol.rate import TokenBucket
from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.events import Report

LINES_PER_SECOND: Final = 0.1
BURST: Final = 20.0
TOLD_MAX: Final = 1024
"""So many lines are remembered, so that a run that breaks a rule with each event has one line for it."""


class Violations:
    """One for all projects of a node. A run has one line for each rule that it breaks, and each rule has its own rate,
    so that an agent with many runs hides no other rule."""

    def __init__(self, counters: Counters, report: Report, now: Callable[[], float]) -> None:
        """`now` gives monotonic seconds."""
        self._counters = counters
        self._report = report
        self._now = now
        self._told: OrderedDict[tuple[str, str | None, Rule], None] = OrderedDict()
        self._buckets: dict[Rule, TokenBucket] = {}
        self._left_out: dict[Rule, int] = {}

    def saw(self, project_id: str, offset: int, folded: Folded) -> None:
        """The event at this offset was folded."""
        if any(problem.stops for problem in folded.problems):
            self._counters.run_violations += 1
        for problem in folded.problems:
            self._tell(project_id, folded.run_id, offset, problem)

    def _tell(self, project_id: str, run_id: str | None, offset: int, problem: Problem) -> None:
        key, rule, now = (project_id, run_id, problem.rule), problem.rule, self._now()
        if key in self._told:
            self._told.move_to_end(key)
            return
        bucket = self._buckets.get(rule)
        if bucket is None:
            bucket = self._buckets[rule] = TokenBucket(LINES_PER_SECOND, BURST, now)
        if not bucket.allows(now):
            self._left_out[rule] = self._left_out.get(rule, 0) + 1
            return
        self._told[key] = None
        if len(self._told) > TOLD_MAX:
            self._told.popitem(last=False)
        fields: dict[str, object] = {"project_id": project_id, "run_id": run_id, "offset": offset, "rule": rule.value}
        fields["stops"] = [each.value for each in problem.stops]
        if left_out := self._left_out.pop(rule, 0):
            fields["left_out"] = left_out
        self._report("run.violation", fields)  # the text is left out: it may quote what the agent wrote
