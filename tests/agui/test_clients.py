"""The real AG-UI clients, 1.0.0 and 0.0.59: where they stop, and what they show, against our referee and our fold."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from tests.agui.clients import Fields, Result, Streams, both, take
from tests.agui.stories import Case, cases_of, difference
from websocket_handler.logs.runs.client_stream import custom_event, update_event
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.lost import lost_events
from websocket_handler.logs.runs.vocabulary import BOTH, Generation

SEEDS = range(30)
V1, V0 = (Generation.V1,), (Generation.V0,)
START: Fields = {"type": "RUN_STARTED", "threadId": "p", "runId": "r"}
FINISH: Fields = {"type": "RUN_FINISHED", "threadId": "p", "runId": "r"}
ERROR: Fields = {"type": "RUN_ERROR", "message": "x"}
OPEN: Fields = {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"}
LO: Fields = {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "lo"}
END: Fields = {"type": "TEXT_MESSAGE_END", "messageId": "m"}
CALL: Fields = {"type": "TOOL_CALL_START", "toolCallId": "c", "toolCallName": "f", "parentMessageId": "m"}
ARGS: Fields = {"type": "TOOL_CALL_ARGS", "toolCallId": "c", "delta": "}"}
CALL_END: Fields = {"type": "TOOL_CALL_END", "toolCallId": "c"}
SPAN: Fields = {"type": "REASONING_START", "messageId": "s"}
HEL: Fields = {"id": "m", "role": "assistant", "content": "Hel"}
ASKED: Fields = {"id": "i", "reason": "approval"}
RESULT: Fields = {"type": "TOOL_CALL_RESULT", "messageId": "r", "toolCallId": "c"}
THOUGHT: Fields = {"type": "REASONING_MESSAGE_START", "messageId": "t"}
HM: Fields = {"type": "REASONING_MESSAGE_CONTENT", "messageId": "t", "delta": "hm"}
THOUGHT_END: Fields = {"type": "REASONING_MESSAGE_END", "messageId": "t"}
SUBAGENT: Fields = {"type": "SUBAGENT_STARTED", "subagentRunId": "a", "name": "x"}
SUBAGENT_END: Fields = {"type": "SUBAGENT_FINISHED", "subagentRunId": "a"}
CHUNK: Fields = {"type": "TEXT_MESSAGE_CHUNK", "messageId": "m", "delta": "x"}
USAGE: Fields = {"provider": "x", "model": "y", "inputTokens": 3, "outputTokens": 5}
STATE: Fields = {"type": "STATE_SNAPSHOT", "snapshot": {"n": 1}}
SHOWN: list[Fields] = [
    {"id": "u", "role": "user", "content": "x"},
    {"id": "t", "role": "reasoning", "content": "hm"},
    {"id": "a", "role": "activity", "activityType": "plan", "content": {}},
]
HALF_CALL: Fields = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}
THINKING: list[Fields] = [
    {"type": "THINKING_START"},
    {"type": "THINKING_TEXT_MESSAGE_START"},
    {"type": "THINKING_TEXT_MESSAGE_CONTENT", "delta": "hm"},
    {"type": "THINKING_TEXT_MESSAGE_END"},
    {"type": "THINKING_END"},
]


def snapshot(*messages: Fields) -> Fields:
    return {"type": "MESSAGES_SNAPSHOT", "messages": list(messages)}


def finish(outcome: object) -> Fields:
    return {**FINISH, "outcome": outcome}


def patch(*operations: Fields) -> Fields:
    return {"type": "STATE_DELTA", "delta": list(operations)}


class Row(NamedTuple):
    """A stream that a good engineer could guess wrong, and the clients that stop in it."""

    events: list[Fields]
    stops: tuple[Generation, ...]


ROWS: dict[str, Row] = {
    "an unknown type": Row([START, {"type": "NEWS"}, FINISH], V0),
    "no type": Row([START, {"text": "x"}, FINISH], BOTH),
    "extra fields": Row([START, OPEN, {**LO, "offset": 7, "project_id": "p"}, END, FINISH], ()),
    "an empty delta": Row([START, OPEN, {**LO, "delta": ""}, END, FINISH], ()),
    "no end of the run": Row([START, OPEN, LO], ()),
    "content behind a snapshot": Row([START, snapshot(HEL), LO, END, FINISH], BOTH),
    "a start behind a snapshot": Row([START, snapshot(HEL), OPEN, LO, END, FINISH], ()),
    "a call behind a snapshot": Row([START, snapshot({**HEL, "toolCalls": [HALF_CALL]}), CALL, ARGS, CALL_END], ()),
    "a message that is open at the end": Row([START, OPEN, FINISH], BOTH),
    "a call that is open at the end": Row([START, CALL, FINISH], BOTH),
    "a step that is open at the end": Row([START, {"type": "STEP_STARTED", "stepName": "s"}, FINISH], BOTH),
    "reasoning that is open at the end": Row([START, SPAN, FINISH], V1),
    "an error with a code and usage": Row([START, {**ERROR, "code": "lost", "usage": [USAGE]}], ()),
    "an end with usage": Row([START, {**FINISH, "usage": [USAGE]}], ()),
    "a raw event that is null": Row([START, {**OPEN, "rawEvent": None}, END, FINISH], ()),
    "a patch behind a state": Row([START, STATE, patch({"op": "replace", "path": "/n", "value": 2}), FINISH], ()),
    "a patch that does not fit behind a state": Row([START, STATE, patch({"op": "remove", "path": "/a"}), FINISH], ()),
    "a snapshot without messages that were there": Row([START, snapshot(*SHOWN), snapshot(HEL), FINISH], ()),
    "an error while a message is open": Row([START, OPEN, ERROR], ()),
    "the outcome cancelled": Row([START, finish({"type": "cancelled"})], V0),
    "the outcome interrupt": Row([START, finish({"type": "interrupt", "interrupts": [ASKED]})], ()),
    "an interrupt without interrupts": Row([START, finish({"type": "interrupt", "interrupts": []})], BOTH),
    "an outcome of the future": Row([START, finish({"type": "tomorrow"})], V0),
    "an outcome that is null": Row([START, finish(None)], ()),
    "a field more in an outcome": Row([START, finish({"type": "success", "pendingToolCallIds": []})], V0),
    "a timestamp that is null": Row([START, {**OPEN, "timestamp": None}, END, FINISH], BOTH),
    "a timestamp that is a text": Row([START, {**OPEN, "timestamp": "2026-11-28T12:00:00Z"}, END, FINISH], BOTH),
    "a timestamp with a fraction": Row([START, {**OPEN, "timestamp": 1.5}, END, FINISH], V1),
    "a parent that is null": Row([START, {**CALL, "parentMessageId": None}, CALL_END, FINISH], ()),
    "a subagent that is null": Row([START, {**OPEN, "subagentRunId": None}, END, FINISH], BOTH),
    "two runs": Row([START, FINISH, {**START, "runId": "s"}, {**FINISH, "runId": "s"}], ()),
    "a run behind an error": Row([START, ERROR, {**START, "runId": "s"}, {**FINISH, "runId": "s"}], ()),
    "a run within a run": Row([START, {**START, "runId": "s"}], BOTH),
    "an event behind the end": Row([START, FINISH, OPEN], BOTH),
    "an event before the start": Row([OPEN, START], BOTH),
    "the end of another run": Row([START, {**FINISH, "runId": "s"}], ()),
    "thinking": Row([START, *THINKING, FINISH], ()),
    "thinking without its start": Row([START, *THINKING[1:4], FINISH], V0),
    "a patch that does not fit": Row([START, patch({"op": "remove", "path": "/a"}), FINISH], ()),
    "a patch of an unknown operation": Row([START, patch({"op": "grow"}), FINISH], ()),
    "a patch without a value": Row([START, patch({"op": "add", "path": "/a"}), FINISH], V1),
    "a result with parts": Row([START, {**RESULT, "content": [{"type": "text", "text": "x"}]}, FINISH], V0),
    "a message of an unknown role": Row([START, snapshot({"id": "m", "role": "robot", "content": "x"}), FINISH], V0),
    "reasoning without a role": Row([START, THOUGHT, THOUGHT_END, FINISH], BOTH),
    "reasoning that did not start": Row([START, HM, FINISH], V1),
    "a subagent": Row([START, SUBAGENT, SUBAGENT_END, FINISH], ()),
    "a subagent that starts again": Row([START, SUBAGENT, SUBAGENT_END, SUBAGENT], BOTH),
    "another subagent's message": Row([START, {**OPEN, "subagentRunId": "a"}, {**LO, "subagentRunId": "b"}], BOTH),
    "a chunk without an id": Row([START, {"type": "TEXT_MESSAGE_CHUNK", "delta": "x"}], BOTH),
    "a run's id that is a number": Row(
        [START, {**OPEN, "runId": 7}, {**LO, "runId": 7}, {**END, "runId": 7}, FINISH], ()
    ),
    "an end of nothing with such an id": Row([START, {"type": "THINKING_END", "runId": 7}, FINISH], BOTH),
    "an error with such an id": Row([START, {**ERROR, "runId": 7}, OPEN], BOTH),
    "a raw event without its event": Row([START, {"type": "RAW"}, FINISH], V1),
    "a raw event without its event at no time": Row([START, {"type": "RAW", "timestamp": None}, FINISH], BOTH),
    "a chunk without an id behind a state without one": Row(
        [START, CHUNK, {"type": "STATE_SNAPSHOT"}, {"type": "TEXT_MESSAGE_CHUNK", "delta": "x"}, FINISH], BOTH
    ),
    "a chunk without an id behind a raw event without one": Row(
        [START, CHUNK, {"type": "RAW"}, {"type": "TEXT_MESSAGE_CHUNK", "delta": "x"}, FINISH], V1
    ),
    "a chunk of another role": Row([START, {**CHUNK, "role": "user"}, {**CHUNK, "role": "assistant"}, FINISH], V1),
}
"""The rows of what AG-UI clients really do. Where they stop, and nowhere else, the referee says so."""


def lost() -> Streams:
    """A run whose agent is gone, from its log."""
    fold, events = Fold("p"), [START, OPEN, LO, CALL]
    for each in events:
        fold.fields(each)
    return both([*events, *lost_events(fold, "r")])


def updates() -> Streams:
    """Events of our own."""
    own = [json.loads(custom_event("wsh.queued", {"position": 1})), json.loads(update_event(b'{"type":"note"}'))]
    return both([START, *own, FINISH])


class Taken(NamedTuple):
    """All streams of this file, and what the clients have made of each."""

    rows: dict[str, dict[Generation, Result]]
    cases: list[tuple[Case, dict[Generation, Result]]]


@pytest.fixture(scope="module")
def taken() -> Taken:
    cases = [case for seed in SEEDS for case in cases_of(seed)]
    rows = {name: both(row.events) for name, row in ROWS.items()} | {"lost": lost(), "updates": updates()}
    results = take([*rows.values(), *(case.streams for case in cases)])
    return Taken(dict(zip(rows, results, strict=False)), list(zip(cases, results[len(rows) :], strict=True)))


def test_wherever_a_client_joins_it_does_not_stop_and_has_what_the_fold_has(taken: Taken) -> None:
    found = [
        f"{case.name}, {generation}: {each}"
        for case, results in taken.cases
        for generation, result in results.items()
        if (each := difference(case, generation, result)) is not None
    ]
    assert found == []
    assert len(taken.cases) == 4 * len(SEEDS)


@pytest.mark.parametrize("name", ROWS)
def test_the_referee_knows_where_which_client_stops(name: str, taken: Taken) -> None:
    fold = Fold("p", is_single=True)
    answers = [fold.fields(each) for each in ROWS[name].events]
    said = {each for answer in answers if answer for problem in answer.problems for each in problem.stops}
    stopped = {generation for generation, result in taken.rows[name].items() if result.error is not None}
    assert stopped == set(ROWS[name].stops)
    assert said == stopped


@pytest.mark.parametrize("generation", BOTH)
def test_a_start_behind_a_snapshot_goes_on_with_the_text(generation: Generation, taken: Taken) -> None:
    assert taken.rows["a start behind a snapshot"][generation].messages[0]["content"] == "Hello"
    call = taken.rows["a call behind a snapshot"][generation].messages[0]["toolCalls"]
    assert [each["function"]["arguments"] for each in call] == ["{}"]


@pytest.mark.parametrize("generation", BOTH)
def test_an_interrupt_is_asked(generation: Generation, taken: Taken) -> None:
    assert taken.rows["the outcome interrupt"][generation].interrupts == ["i"]


@pytest.mark.parametrize("generation", BOTH)
def test_a_patch_that_does_not_fit_leaves_the_state_as_it_is(generation: Generation, taken: Taken) -> None:
    assert taken.rows["a patch behind a state"][generation].state == {"n": 2}
    assert taken.rows["a patch that does not fit behind a state"][generation].state == {"n": 1}


@pytest.mark.parametrize("generation", BOTH)
def test_a_snapshot_removes_the_messages_that_it_has_not_but_no_activity_and_no_reasoning(
    generation: Generation, taken: Taken
) -> None:
    messages = taken.rows["a snapshot without messages that were there"][generation].messages
    assert {message["id"] for message in messages} == {"t", "a", "m"}


@pytest.mark.parametrize("generation", BOTH)
def test_a_stream_that_ends_before_its_run_is_no_error(generation: Generation, taken: Taken) -> None:
    """So the gateway never ends one cleanly there: it cuts the connection."""
    row = taken.rows["no end of the run"][generation]
    assert (row.error, [message["content"] for message in row.messages]) == (None, ["lo"])


def test_fields_that_ag_ui_does_not_know_cost_a_warning_in_1_0(taken: Taken) -> None:
    warnings = taken.rows["extra fields"]
    assert len(warnings[Generation.V1].warnings) == 2
    assert warnings[Generation.V0].warnings == []


@pytest.mark.parametrize("generation", BOTH)
def test_a_lost_run_and_our_own_events_stop_no_client(generation: Generation, taken: Taken) -> None:
    assert taken.rows["lost"][generation].error is None
    assert taken.rows["lost"][generation].messages[0]["content"] == "lo"
    assert taken.rows["updates"][generation].error is None
