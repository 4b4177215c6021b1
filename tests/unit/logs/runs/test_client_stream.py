"""What one client gets of one run."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.logs.runs import laws
from tests.unit.logs.runs.made import FINISH, START, fold_of, of, payload, text
from websocket_handler.logs.runs.client_stream import ClientStream, custom_event
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.vocabulary import BOTH, Generation


def sent(stream: ClientStream, *events: dict[str, Any]) -> list[dict[str, Any]]:
    """What the client gets of these publications."""
    return [msgspec.json.decode(each) for fields in events for each in stream.publication(payload(fields))]


def begun(generation: Generation = Generation.V1) -> ClientStream:
    stream = ClientStream(generation, Fold("p"), "r")
    stream.begin()
    return stream


@pytest.mark.parametrize("generation", BOTH)
def test_a_run_is_passed_on_without_what_the_gateway_added(generation: Generation) -> None:
    events = [START, *text("m", "Hello"), FINISH]
    stream = ClientStream(generation, Fold("p"), "r")
    assert [msgspec.json.decode(each) for fields in events for each in stream.publication(payload(fields, 7))] == events
    assert stream.ended
    assert sent(stream, of("note"), START) == []


def test_a_client_whose_task_waits_in_a_queue_gets_one_start() -> None:
    stream = ClientStream(Generation.V1, Fold("p"), "r")
    assert sent(stream, of("note")) == []
    assert stream.begin() == [b'{"type":"RUN_STARTED","threadId":"p","runId":"r"}']
    assert sent(stream, {**START, "threadId": "other"}) == []
    assert sent(stream, {**FINISH, "threadId": "other"}) == [FINISH]


def test_other_publications_are_custom_events_with_their_own_bytes() -> None:
    stream = begun()
    assert stream.publication(b'{"type":"note","n":1.0}') == [
        b'{"type":"CUSTOM","name":"wsh.update","value":{"type":"note","n":1.0}}'
    ]
    assert custom_event("wsh.queued", {"n": 1}) == b'{"type":"CUSTOM","name":"wsh.queued","value":{"n":1}}'


def test_events_of_other_runs_do_not_come() -> None:
    stream = begun()
    other = {**START, "runId": "s"}
    assert sent(stream, START, other, *text("m", "x"), {**FINISH, "runId": "s"}) == []
    assert not stream.ended


def test_what_is_out_of_place_or_malformed_does_not_come() -> None:
    stream = begun()
    wrong = [
        of("TEXT_MESSAGE_CONTENT", messageId="m", delta="x"),
        of("TEXT_MESSAGE_END"),
        of("TEXT_MESSAGE_CHUNK", delta="x"),
    ]
    assert sent(stream, START, *wrong, text("m")[0], text("m")[0]) == [text("m")[0]]


def test_chunks_come_as_start_and_content() -> None:
    chunk = of("TEXT_MESSAGE_CHUNK", messageId="m", delta="x")
    assert sent(begun(), START, chunk, FINISH) == [*text("m", "x"), FINISH]


@pytest.mark.parametrize("generation", BOTH)
def test_a_run_that_finishes_too_early_gets_its_missing_ends(generation: Generation) -> None:
    step = of("STEP_STARTED", stepName="s")
    subagent = of("SUBAGENT_STARTED", subagentRunId="a", name="x")
    got = sent(begun(generation), START, *text("m", ends=False), step, subagent, FINISH)
    types = [each["type"] for each in got[3:]]
    assert types == ["SUBAGENT_ERROR", "STEP_FINISHED", "TEXT_MESSAGE_END", "RUN_FINISHED"]


def test_a_subagent_is_named_where_clients_cannot_find_another_one() -> None:
    stream = begun()
    start = of("TEXT_MESSAGE_START", messageId="m", role="assistant", subagentRunId="a")
    content = of("TEXT_MESSAGE_CONTENT", messageId="m", delta="x", subagentRunId="b")
    call = of("TOOL_CALL_START", toolCallId="c", toolCallName="f", parentMessageId="m", subagentRunId="b")
    events = sent(
        stream, START, start, content, of("TEXT_MESSAGE_END", messageId="m"), {**start, "subagentRunId": "b"}, call
    )
    assert [each.get("subagentRunId") for each in events] == ["a", None, None, None, None]
    child = of("SUBAGENT_STARTED", subagentRunId="d", name="x", parentSubagentRunId="unknown")
    assert sent(stream, child) == [of("SUBAGENT_STARTED", subagentRunId="d", name="x")]
    assert sent(stream, {**child, "subagentRunId": "e", "parentSubagentRunId": "d"})[0]["parentSubagentRunId"] == "d"


def test_who_comes_back_gets_what_comes_next_and_nothing_twice() -> None:
    fold = fold_of(START, *text("m", "Hel", ends=False))
    stream = ClientStream(Generation.V0, fold, "r")
    stream.resume(fold)
    assert sent(stream, START, of("TEXT_MESSAGE_CONTENT", messageId="m", delta="lo")) == [
        of("TEXT_MESSAGE_CONTENT", messageId="m", delta="lo")
    ]


@given(st.binary(max_size=300), st.integers(0, 60), st.sampled_from(BOTH), st.booleans())
def test_no_client_stops_wherever_it_joins(draws: bytes, at: int, generation: Generation, is_valid: bool) -> None:
    laws.no_client_stops_wherever_it_joins(draws, at, generation, is_valid=is_valid)


@given(st.binary(max_size=300), st.integers(0, 60))
def test_a_joiner_ends_with_what_who_was_there_from_the_start_has(draws: bytes, at: int) -> None:
    laws.a_joiner_ends_with_what_the_fold_of_the_log_has(draws, at)
