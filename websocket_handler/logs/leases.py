"""The leases of a project's runs: who works on a run is heard again and again, or else the run is ended for it.

The lease of a run begins with the first event of its agent, and every further event renews it. `lease_s` after the last
one the run has stalled, and a quarter of that later it is lost. Each node counts from the moment in which it noticed an
event, so the clocks of other nodes mean nothing. What a node then says it says under a condition: the agent has not
been heard where the log ends by then. So one node says it, and only about an agent that is silent.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.lost import LOST_CODE, lost_events, stalled_event
from websocket_handler.logs.runs.open_runs import Run
from websocket_handler.logs.runs.vocabulary import SAID_BY_OTHERS, TYPES, Fields, attempt_of
from websocket_handler.protocol.codes import CommandError, ErrorCode

GRACE: Final = 0.25
"""So much of a lease passes between `stalled` and `lost`."""


class Heard(NamedTuple):
    """When this node noticed the last event of a run's agent."""

    attempt: int
    offset: int
    at: float


class Silence(NamedTuple):
    """A run whose agent has been silent for too long."""

    run_id: str
    attempt: int
    heard: int
    """The offset of the last event of its agent."""
    is_stalled: bool
    """True if that was said, and the run is to be ended."""

    def is_over(self, fold: Fold | None) -> bool:
        """True if the log goes on otherwise: the agent was heard, the run has ended, or another node was faster."""
        run = fold.runs.runs.get(self.run_id) if fold is not None else None
        return run is None or (run.attempt, run.heard, run.is_stalled) != self[1:]

    def events(self, fold: Fold) -> list[Fields]:
        """What to publish about it."""
        if self.is_stalled:
            return lost_events(fold, self.run_id)
        return [stalled_event(fold.runs.runs[self.run_id])]


class Leases:
    """When the agents of one project's open runs were heard."""

    __slots__ = ("_heard",)

    def __init__(self) -> None:
        self._heard: dict[str, Heard] = {}

    def __len__(self) -> int:
        """How many runs had an agent at the last look."""
        return len(self._heard)

    def forget(self) -> None:
        """The log is another one."""
        self._heard.clear()

    def silences(self, fold: Fold, now: float, lease_s: float, age_s: Callable[[int], float]) -> list[Silence]:
        """Look at all open runs. `now` is monotonic; `age_s` says how long ago the entry at an offset was published."""
        heard, silences = self._heard, list[Silence]()
        held = {run_id: run for run_id, run in fold.runs.runs.items() if not run.is_waiting}
        for run_id in [run_id for run_id in heard if run_id not in held]:
            del heard[run_id]
        for run_id, run in held.items():
            known = heard.get(run_id)
            if known is None:
                age = min(max(age_s(run.heard), 0.0), lease_s)  # of a run that is new to this node
                known = heard[run_id] = Heard(run.attempt, run.heard, now - age)
            elif (known.attempt, known.offset) != (run.attempt, run.heard):
                known = heard[run_id] = Heard(run.attempt, run.heard, now)
            allowed_s = lease_s * (1 + GRACE) if run.is_stalled else lease_s
            if now - known.at >= allowed_s:
                silences.append(Silence(run_id, run.attempt, run.heard, run.is_stalled))
        return silences


def refusal(fold: Fold, fields: Fields) -> CommandError | None:
    """Why an event may not be published: it belongs to an attempt whose lease is over; or it begins another attempt at
    a run that does not need one. None if it may."""
    run_id, attempt = fields.get("runId"), attempt_of(fields)
    begins = fields.get("type") == "RUN_STARTED"
    if not isinstance(run_id, str) or not _is_of_agent(fields):
        return None
    run, end = fold.runs.runs.get(run_id), fold.ends.ended.get(run_id)
    if begins and "attempt" in fields and attempt > 1 and (run is not None or (end is not None and not _is_lost(end))):
        return _goes_on(run, run_id)
    current = run.attempt if run is not None else end.get("attempt", 1) if end is not None and _is_lost(end) else 0
    is_late = attempt < current if run is not None else attempt <= current and not (begins and "attempt" not in fields)
    return CommandError(ErrorCode.LEASE_LOST, f"attempt {attempt} at run {run_id} is over") if is_late else None


def _is_of_agent(fields: Fields) -> bool:
    event_type, name = fields.get("type"), fields.get("name")
    is_event = isinstance(event_type, str) and event_type in TYPES
    return is_event and not (event_type == "CUSTOM" and isinstance(name, str) and name in SAID_BY_OTHERS)


def _is_lost(end: Fields) -> bool:
    return bool(end.get("code") == LOST_CODE)


def _goes_on(run: Run | None, run_id: str) -> CommandError:
    state = "has ended" if run is None else f"is open in attempt {run.attempt}"
    return CommandError(ErrorCode.RUN_NOT_LOST, f"run {run_id} {state}: there is nothing to begin again")
