"""The fold: what clients would show, and what is left out of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.agui_stories import Story, payloads
from tests.unit.logs.runs import laws
from tests.unit.logs.runs.made import FINISH, START, call, fold_of, folded, of, payload, text
from websocket_handler.logs.runs.fold import NO_STATE, Fold, Folded
from websocket_handler.logs.runs.limits import FoldLimits
from websocket_handler.logs.runs.problems import Problem, Rule

FUNCTION = {"id": "c", "type": "function", "function": {"name": "find", "arguments": '{"q":1}'}}


def problems(answers: list[Folded | None]) -> list[Rule]:
    return [each.problem.rule for each in answers if each is not None and each.problem is not None]


def test_a_run_of_texts_and_tool_calls() -> None:
    fold = fold_of(
        START,
        *text("m", "Hel", "lo"),
        *call("c", '{"q"', ":1}", parent={"parentMessageId": "m"}),
        *text("n", "after"),
        of("TOOL_CALL_RESULT", messageId="t", toolCallId="c", content="found"),
        FINISH,
    )
    assert fold.messages.data() == [
        {"id": "m", "role": "assistant", "content": "Hello", "toolCalls": [FUNCTION]},
        {"id": "t", "role": "tool", "toolCallId": "c", "content": "found"},
        {"id": "n", "role": "assistant", "content": "after"},
    ]
    assert fold.runs.runs == {}
    assert fold.ends.ended == {"r": {"outcome": "success", "offset": 0}}


@pytest.mark.parametrize(
    ("parent", "message_id"), [({}, "c"), ({"parentMessageId": "x"}, "x"), ({"parentMessageId": "q"}, "c")]
)
def test_a_tool_call_without_an_assistant_message_gets_one(parent: dict[str, str], message_id: str) -> None:
    question = {"id": "q", "role": "user", "content": "?"}
    fold = fold_of(START, of("MESSAGES_SNAPSHOT", messages=[question]), *call("c", '{"q":1}', parent=parent))
    assert fold.messages.data() == [question, {"id": message_id, "role": "assistant", "toolCalls": [FUNCTION]}]


def test_a_tool_call_that_starts_again_goes_on() -> None:
    fold = fold_of(START, *call("c", '{"q"'), of("TOOL_CALL_START", toolCallId="c", toolCallName="other"))
    fold.fields(of("TOOL_CALL_ARGS", toolCallId="c", delta=":1}"))
    assert fold.messages.data()[0]["toolCalls"][0]["function"] == {"name": "other", "arguments": '{"q":1}'}


def test_a_result_that_comes_twice_is_one() -> None:
    result = of("TOOL_CALL_RESULT", messageId="t", toolCallId="c", content="x")
    fold = fold_of(START, *call("c"), result, {**result, "content": "y"})
    assert [each["content"] for each in fold.messages.data() if each["role"] == "tool"] == ["y"]
    _, answers = folded(START, *text("m"), of("TOOL_CALL_RESULT", messageId="m", toolCallId="c", content=""))
    assert problems(answers) == [Rule.WRONG_ROLE]


def test_reasoning_and_its_encrypted_value() -> None:
    fold = fold_of(
        START,
        of("REASONING_START", messageId="s"),
        of("REASONING_MESSAGE_START", messageId="s", role="reasoning", subagentRunId="a"),
        of("REASONING_MESSAGE_CONTENT", messageId="s", delta="hm"),
        of("REASONING_MESSAGE_END", messageId="s", metadata={"k": 1}),
        of("REASONING_END", messageId="s"),
        of("REASONING_ENCRYPTED_VALUE", subtype="message", entityId="s", encryptedValue="e"),
        *call("c"),
        of("REASONING_ENCRYPTED_VALUE", subtype="tool-call", entityId="c", encryptedValue="f"),
        of("REASONING_ENCRYPTED_VALUE", subtype="message", entityId="unknown", encryptedValue="g"),
    )
    thought, caller = fold.messages.data()
    assert thought == {
        "id": "s",
        "role": "reasoning",
        "content": "hm",
        "subagentRunId": "a",
        "metadata": {"k": 1},
        "encryptedValue": "e",
    }
    assert caller["toolCalls"][0]["encryptedValue"] == "f"


def test_the_state_follows_snapshots_and_patches() -> None:
    fold = fold_of(START, of("STATE_DELTA", delta=[{"op": "add", "path": "/a", "value": 1}]))
    assert fold.state == {"a": 1}
    fold.fields(of("STATE_SNAPSHOT", snapshot=None))
    assert fold.state is None
    assert Fold("p").state is NO_STATE


def test_a_patch_that_does_not_fit_leaves_the_state_as_it_is() -> None:
    delta = [{"op": "add", "path": "/b", "value": 1}, {"op": "remove", "path": "/missing"}]
    fold, answers = folded(START, of("STATE_SNAPSHOT", snapshot={"a": 1}), of("STATE_DELTA", delta=delta))
    assert fold.state == {"a": 1}
    assert problems(answers) == [Rule.PATCH_FAILED]


def test_activities_are_replaced_kept_and_patched() -> None:
    activity: dict[str, Any] = {"messageId": "a", "activityType": "plan"}
    fold = fold_of(
        START,
        of("ACTIVITY_SNAPSHOT", **activity, content={"n": 1}, metadata={"k": 1}),
        of("ACTIVITY_SNAPSHOT", **activity, content={"n": 2}, replace=False, metadata={"l": 1}),
        of("ACTIVITY_DELTA", **activity, patch=[{"op": "add", "path": "/m", "value": 3}]),
    )
    data = {"id": "a", "role": "activity", "activityType": "plan", "metadata": {"k": 1, "l": 1}}
    assert fold.messages.data() == [data | {"content": {"n": 1, "m": 3}}]
    fold.fields(of("ACTIVITY_SNAPSHOT", **activity, content={"n": 4}, subagentRunId="s"))
    assert fold.messages.data() == [data | {"content": {"n": 4}, "subagentRunId": "s"}]
    _, answers = folded(START, of("ACTIVITY_DELTA", **activity, patch=[]), *text("a", "x"))
    assert problems(answers) == [Rule.NO_MESSAGE]


def test_an_activity_keeps_its_place_from_texts_and_takes_that_of_others() -> None:
    activity = of("ACTIVITY_SNAPSHOT", messageId="m", activityType="plan", content={})
    fold, answers = folded(START, activity, *text("m", "x", ends=False))
    assert problems(answers) == [Rule.WRONG_ROLE, Rule.NO_MESSAGE]
    assert fold.messages.data()[0]["role"] == "activity"
    fold = fold_of(START, *text("m", "x"), {**activity, "replace": False})
    assert fold.messages.data()[0]["content"] == "x"
    fold.fields(activity)
    assert fold.messages.data() == [{"id": "m", "role": "activity", "activityType": "plan", "content": {}}]


def test_a_messages_snapshot_keeps_activities_and_reasoning_unless_it_has_some() -> None:
    user = {"id": "q", "role": "user", "content": "?"}
    thought = of("REASONING_MESSAGE_START", messageId="t", role="reasoning")
    activity = of("ACTIVITY_SNAPSHOT", messageId="a", activityType="plan", content={})
    events = [START, *text("m"), thought, activity]
    fold = fold_of(*events, of("MESSAGES_SNAPSHOT", messages=[user]))
    assert [each["id"] for each in fold.messages.data()] == ["t", "a", "q"]
    other = {"id": "u", "role": "reasoning", "content": ""}
    fold = fold_of(*events, of("MESSAGES_SNAPSHOT", messages=[user, other]))
    assert [each["id"] for each in fold.messages.data()] == ["a", "q", "u"]


def test_the_input_of_a_run_brings_the_messages_that_are_not_there() -> None:
    messages = [
        {"id": "q", "role": "user", "content": "again"},
        {"id": "n", "role": "user", "content": "new", "name": None},
    ]
    run_input = {"threadId": "p", "runId": "s", "messages": messages}
    fold = fold_of(START, *text("q", "first"), FINISH, {**START, "runId": "s", "input": run_input})
    assert [each["content"] for each in fold.messages.data()] == ["first", "new"]
    assert "name" not in fold.messages.data()[1]


def test_what_a_run_asks_is_kept_until_somebody_answers() -> None:
    ask = {"type": "interrupt", "interrupts": [{"id": "i", "reason": "approval"}]}
    fold = fold_of(START, {**FINISH, "outcome": ask})
    assert list(fold.ends.interrupts) == ["i"]
    fold.fields({**START, "runId": "s"})
    fold.fields(of("CUSTOM", name="wsh.decided", value={"interruptId": "i"}))
    assert fold.ends.interrupts == {}


def test_events_of_runs_that_run_at_once_do_not_mix() -> None:
    other = {**START, "runId": "s"}
    fold = fold_of(START, *text("m", "x", ends=False), other, *text("n", "y", ends=False))
    fold.fields(of("TEXT_MESSAGE_CONTENT", messageId="m", delta="z"))
    answer = fold.fields({**FINISH, "runId": "s"})
    assert answer is not None
    assert answer.problem is not None
    assert (answer.run_id, answer.problem.rule, answer.counts) == ("s", Rule.STILL_OPEN, True)
    assert list(fold.runs.runs) == ["r"]
    assert [each["content"] for each in fold.messages.data()] == ["xz", "y"]


def test_publications_are_folded_once_and_others_only_move_the_offset() -> None:
    fold = Fold("p")
    assert fold.publication(payload(START, 3)) == Folded("r")
    assert fold.publication(payload(START, 3)) is None
    assert fold.publication(payload(of("note"), 4)) is None
    assert fold.offset == 4
    malformed = Problem(Rule.MALFORMED, "TEXT_MESSAGE_START: messageId is missing")
    assert fold.publication(payload(of("TEXT_MESSAGE_START"), 5)) == Folded(None, (malformed,), False)


def test_the_state_has_a_maximum_of_bytes() -> None:
    limits = FoldLimits(state_bytes=10)
    fold = fold_of(START, of("STATE_SNAPSHOT", snapshot={"a": "12"}), limits=limits)
    assert not fold.truncated
    for more in (
        of("STATE_SNAPSHOT", snapshot={"a": "1234"}),
        of("STATE_DELTA", delta=[{"op": "add", "path": "/b", "value": 1}]),
    ):
        assert problems([fold.fields(more)]) == [Rule.STATE_FULL]
    assert fold.state == {"a": "12"}
    assert fold.truncated


def test_a_patch_has_a_maximum_of_operations() -> None:
    operations = [{"op": "add", "path": "/a", "value": number} for number in range(3)]
    fold = fold_of(START, of("STATE_DELTA", delta=operations[:2]), limits=FoldLimits(patch_operations=2))
    assert problems([fold.fields(of("STATE_DELTA", delta=operations))]) == [Rule.PATCH_TOO_LONG]
    activity = of("ACTIVITY_DELTA", messageId="a", activityType="plan", patch=operations)
    assert problems([fold.fields(activity)]) == [Rule.PATCH_TOO_LONG]


def test_what_has_no_space_is_left_out_and_the_run_goes_on() -> None:
    limits = FoldLimits(message_bytes=60)
    fold, answers = folded(START, *text("m", "x" * 40, "y", ends=True), *text("n", "z"), limits=limits)
    assert problems(answers) == [Rule.MESSAGES_FULL]
    assert [each["content"] for each in fold.messages.data()] == ["y", "z"]
    assert fold.truncated


def test_interrupts_without_space_are_left_out_and_the_run_is_over() -> None:
    ask = {"type": "interrupt", "interrupts": [{"id": "i", "reason": "x"}, {"id": "j", "reason": "x"}]}
    fold, answers = folded(START, {**FINISH, "outcome": ask}, limits=FoldLimits(interrupts=1))
    assert problems(answers) == [Rule.TOO_MANY_INTERRUPTS]
    assert list(fold.ends.interrupts) == ["i"]
    assert fold.runs.runs == {}


def test_a_fold_is_under_way_while_a_run_is_open_or_an_answer_is_on_its_way() -> None:
    ask = {"type": "interrupt", "interrupts": [{"id": "i", "reason": "x"}]}
    told = {"interruptId": "i", "by": "ann", "at": "noon"}
    fold, seen = fold_of(), []
    for event in (
        START,
        {**FINISH, "outcome": ask},
        of("CUSTOM", name="wsh.decided", value=told),
        of("CUSTOM", name="wsh.answered", value=told),
    ):
        fold.fields(event)
        seen.append(fold.is_under_way)
    assert seen == [True, False, True, False]


@given(st.binary(max_size=300))
def test_whatever_comes_nothing_is_raised_and_all_sizes_are_kept(draws: bytes) -> None:
    laws.sizes_are_those_of_the_json_and_within_the_limits(draws)


@given(st.binary(max_size=300))
def test_an_event_of_a_valid_story_breaks_no_rule_of_any_client(draws: bytes) -> None:
    fold = Fold("p")
    for each in payloads(Story(draws, has_subagents=True).tell()):
        answer = fold.publication(each)
        assert answer is not None
        assert answer.problem is None or answer.problem.stops == ()
