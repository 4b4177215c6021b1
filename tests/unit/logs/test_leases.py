"""When the agent of a run counts as gone, and which events come too late."""

from typing import Any

import pytest

from tests.support.spec_files import vectors
from websocket_handler.logs.leases import Leases, Silence, refusal
from websocket_handler.logs.runs import snapshot
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.protocol.codes import ErrorCode

LEASE_S = 40.0


def of(event_type: str, **fields: Any) -> dict[str, Any]:
    return {"type": event_type, **fields}


def fold_of(*events: dict[str, Any]) -> Fold:
    """The fold of these events, which are all in their places."""
    fold = Fold("p")
    for each in events:
        folded = fold.fields(each)
        assert folded is not None
        assert folded.counts
    return fold


class Log:
    """A log, its fold, and its leases at some time."""

    def __init__(self) -> None:
        self.fold = Fold("p")
        self.leases = Leases()
        self.head = 0
        self.age_s = 0.0

    def say(self, **fields: Any) -> None:
        self.head += 1
        self.fold.fields({**fields, "runId": "r", "threadId": "p", "offset": self.head})

    def custom(self, name: str) -> None:
        self.say(type="CUSTOM", name=name, value={})

    def look(self, now: float) -> list[Silence]:
        return self.leases.silences(self.fold, now, LEASE_S, lambda _offset: self.age_s)


def started(**more: Any) -> Log:
    log = Log()
    log.say(type="RUN_STARTED", **more)
    return log


def test_a_run_stalls_at_the_end_of_its_lease_and_is_lost_a_quarter_of_it_later() -> None:
    log = started()
    assert log.look(100.0) == []
    assert log.look(139.9) == []
    assert log.look(140.0) == [Silence("r", 1, 1, is_stalled=False)]
    log.custom("wsh.stalled")
    assert log.look(149.9) == []
    assert log.look(150.0) == [Silence("r", 1, 1, is_stalled=True)]


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "CUSTOM", "name": "wsh.alive", "value": {}},
        {"type": "CUSTOM", "name": "of the agent", "value": {}},
        {"type": "TEXT_MESSAGE_START", "messageId": "m"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "was never opened", "delta": "x"},
    ],
)
def test_any_event_of_the_agent_keeps_the_lease_even_a_wrong_one(fields: dict[str, Any]) -> None:
    log = started()
    log.look(100.0)
    log.custom("wsh.stalled")
    log.say(**fields)
    assert log.look(145.0) == []
    assert log.look(184.9) == []
    assert log.look(185.0) == [Silence("r", 1, 3, is_stalled=False)]


@pytest.mark.parametrize("name", ["wsh.stop", "wsh.decided", "wsh.stalled"])
def test_what_others_say_about_a_run_does_not_keep_its_lease(name: str) -> None:
    log = started()
    log.look(100.0)
    log.custom(name)
    assert [each.heard for each in log.look(150.0)] == [1]


def test_a_task_in_a_queue_has_no_lease() -> None:
    log = started(queued=True)
    assert log.look(100.0) == log.look(1e9) == []
    assert not log.leases
    log.custom("wsh.alive")
    assert log.look(1e9) == []
    assert len(log.leases) == 1
    log.custom("wsh.queued")
    assert log.look(2e9) == []
    assert not log.leases


def test_a_run_that_ended_has_no_lease() -> None:
    log = started()
    log.look(100.0)
    log.say(type="RUN_FINISHED")
    assert log.look(1e9) == []
    assert not log.leases


@pytest.mark.parametrize(("age_s", "allowed_s"), [(0.0, 40.0), (30.0, 10.0), (40.0, 0.0), (1e9, 0.0), (-1e9, 40.0)])
def test_of_a_run_that_is_new_to_a_node_the_time_in_the_log_counts_within_the_lease(
    age_s: float, allowed_s: float
) -> None:
    log = started()
    log.age_s = age_s
    if allowed_s:
        assert log.look(100.0) == log.look(100.0 + allowed_s - 0.01) == []
    assert len(log.look(100.0 + allowed_s)) == 1


def test_a_lease_outlives_a_snapshot() -> None:
    log = started(attempt=2)
    log.custom("wsh.stalled")
    again = snapshot.load(snapshot.dump(log.fold))
    run = again.runs.runs["r"]
    assert (run.attempt, run.heard, run.is_stalled, run.is_waiting) == (2, 1, True, False)
    assert not Silence("r", 2, 1, is_stalled=True).is_over(again)


def lost(attempt: int = 1) -> Fold:
    more = {} if attempt == 1 else {"attempt": attempt}
    return fold_of(
        of("RUN_STARTED", threadId="p", runId="r", **more),
        of("RUN_ERROR", message="gone", code="lost", runId="r", **more),
    )


def event(type_: Any = "TEXT_MESSAGE_START", **more: Any) -> dict[str, Any]:
    return {"type": type_, "runId": "r", "threadId": "p", "messageId": "m", **more}


OPEN = fold_of(of("RUN_STARTED", threadId="p", runId="r"))
SECOND = fold_of(of("RUN_STARTED", threadId="p", runId="r", attempt=2))
FINISHED = fold_of(of("RUN_STARTED", threadId="p", runId="r"), of("RUN_FINISHED", threadId="p", runId="r"))
LATE, NEEDLESS = ErrorCode.LEASE_LOST, ErrorCode.RUN_NOT_LOST


@pytest.mark.parametrize(
    ("fold", "fields", "code"),
    [
        (OPEN, event(), None),
        (OPEN, event(attempt=7), None),
        (OPEN, event("RUN_STARTED", attempt=2), NEEDLESS),
        (OPEN, event("RUN_STARTED"), None),
        (FINISHED, event(), None),
        (FINISHED, event("RUN_STARTED", attempt=2), NEEDLESS),
        (lost(), event(), LATE),
        (lost(), event(attempt=1), LATE),
        (lost(), event("RUN_FINISHED"), LATE),
        (lost(), event(attempt=2), None),
        (lost(), event("RUN_STARTED", attempt=1), LATE),
        (lost(), event("RUN_STARTED", attempt=2), None),
        (lost(), event("RUN_STARTED"), None),
        (lost(2), event(attempt=2), LATE),
        (lost(2), event("RUN_STARTED", attempt=3), None),
        (SECOND, event(), LATE),
        (SECOND, event(attempt=2), None),
        (SECOND, event("RUN_STARTED", attempt=1), LATE),
        (SECOND, event(attempt="2"), LATE),
        (SECOND, event(attempt=True), LATE),
        (SECOND, event(attempt=1_000_001), LATE),
        (SECOND, event(runId=7), None),
        (SECOND, event("CUSTOM", name="wsh.stop"), None),
        (SECOND, event("CUSTOM", name="other"), LATE),
        (SECOND, event("CUSTOM", name=["wsh.stop"]), LATE),
        (SECOND, event("note"), None),
        (SECOND, event([]), None),
        (SECOND, event(runId="of another"), None),
    ],
)
def test_what_comes_too_late(fold: Fold, fields: dict[str, Any], code: ErrorCode | None) -> None:
    fault = refusal(fold, fields)
    assert (fault.code if fault is not None else None) == code


def test_what_is_in_the_log_of_an_old_attempt_has_no_effect() -> None:
    fold = fold_of(of("RUN_STARTED", threadId="p", runId="r", attempt=2))
    late = fold.fields(of("TEXT_MESSAGE_START", messageId="m", role="assistant", runId="r"))
    assert late is not None
    assert (late.counts, late.problem and late.problem.rule) == (False, "old_attempt")
    assert fold.messages.data() == []
    new = fold.fields(of("TEXT_MESSAGE_START", messageId="m", role="assistant", runId="r", attempt=2))
    assert new is not None
    assert (new.counts, new.problem) == (True, None)


@pytest.mark.parametrize("vector", vectors("leases"), ids=lambda vector: vector["name"])
def test_the_vectors_of_the_specification(vector: dict[str, Any]) -> None:
    fault = refusal(fold_of(*vector["log"]), vector["event"])
    assert (fault.code if fault is not None else None) == vector["code"]
