"""Events that stand for START, CONTENT and END."""

from typing import Any

from tests.unit.logs.runs.made import START, event, fold_of, folded, of, text
from websocket_handler.logs.runs.chunks import Expansion, end_of, expand
from websocket_handler.logs.runs.problems import Problem, Rule


def contents(*events: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(each["id"], each.get("content")) for each in fold_of(START, *events).messages.data()]


def test_chunks_of_one_id_are_one_message() -> None:
    chunk = of("TEXT_MESSAGE_CHUNK", messageId="m", delta="a")
    assert contents(chunk, of("TEXT_MESSAGE_CHUNK", delta="b"), of("TEXT_MESSAGE_CHUNK")) == [("m", "ab")]
    assert contents(chunk, of("TEXT_MESSAGE_CHUNK", messageId="n", delta="b")) == [("m", "a"), ("n", "b")]


def test_another_event_ends_what_a_chunk_has_begun() -> None:
    chunk = of("TEXT_MESSAGE_CHUNK", messageId="m", delta="a")
    fold = fold_of(START, chunk, of("RAW", event=1))
    assert list(fold.runs.runs["r"].open) == [("text", "m", None)]
    fold = fold_of(START, chunk, of("CUSTOM", name="x", value=1))
    assert fold.runs.runs["r"].open == {}
    assert contents(chunk, *text("n", "x"), chunk) == [("m", "aa"), ("n", "x")]


def test_chunks_of_a_tool_call_and_of_reasoning() -> None:
    fold = fold_of(
        START,
        of("TOOL_CALL_CHUNK", toolCallId="c", toolCallName="find", parentMessageId="m", delta="{"),
        of("TOOL_CALL_CHUNK", delta="}"),
        of("REASONING_MESSAGE_CHUNK", messageId="t", delta="hm"),
    )
    assistant, thought = fold.messages.data()
    assert assistant["id"] == "m"
    assert assistant["toolCalls"] == [{"id": "c", "type": "function", "function": {"name": "find", "arguments": "{}"}}]
    assert thought == {"id": "t", "role": "reasoning", "content": "hm"}


def test_the_first_chunk_needs_its_id_and_its_name() -> None:
    _, answers = folded(START, of("TEXT_MESSAGE_CHUNK", delta="x"), of("TOOL_CALL_CHUNK", toolCallId="c"))
    problems = [answer.problem for answer in answers if answer is not None and answer.problem is not None]
    assert [each.text for each in problems] == [
        "the first TEXT_MESSAGE_CHUNK has no messageId",
        "the first TOOL_CALL_CHUNK has no toolCallName",
    ]
    assert {each.rule for each in problems} == {Rule.BAD_CHUNK}


def test_thinking_of_old_agents_becomes_reasoning_with_ids_of_its_own() -> None:
    think = [
        of("THINKING_TEXT_MESSAGE_START"),
        of("THINKING_TEXT_MESSAGE_CONTENT", delta="hm"),
        of("THINKING_TEXT_MESSAGE_END"),
    ]
    fold = fold_of(START, of("THINKING_START"), *think, of("THINKING_END"), of("THINKING_START"), *think)
    assert fold.messages.data() == [
        {"id": "r/thinking/2", "role": "reasoning", "content": "hm"},
        {"id": "r/thinking/4", "role": "reasoning", "content": "hm"},
    ]
    assert list(fold.runs.runs["r"].open) == [("span", "r/thinking/3", None)]


def test_thinking_that_did_not_start_is_left_out() -> None:
    problem = Problem(Rule.NO_RUN, "THINKING_START while no run is open")
    assert expand(None, event("THINKING_START")) == Expansion((), problem)
    _, answers = folded(START, of("THINKING_END"), of("THINKING_TEXT_MESSAGE_CONTENT", delta="x"))
    assert [answer.counts for answer in answers if answer] == [True, False, False]


def test_the_end_of_a_step_names_its_subagent() -> None:
    assert end_of(("step", "s", "a")).fields == {"type": "STEP_FINISHED", "stepName": "s", "subagentRunId": "a"}
    assert end_of(("text", "m", None), 7) == event("TEXT_MESSAGE_END", messageId="m")._replace(offset=7)
