"""The events with which a client joins a run."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.logs.runs import laws
from tests.unit.logs.runs.made import FINISH, START, call, fold_of, of, text
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.joining import current_run, joining_events


def test_a_joiner_gets_what_is_there_and_what_is_open_starts_again() -> None:
    fold = fold_of(
        START,
        of("STATE_SNAPSHOT", snapshot={"a": 1}),
        *text("m", "Hel", ends=False),
        *call("c", '{"q"', ends=False, parent={"parentMessageId": "m"}),
        of("STEP_STARTED", stepName="plan", subagentRunId="a"),
        of("REASONING_START", messageId="s"),
        of("REASONING_MESSAGE_START", messageId="t", role="reasoning"),
        *text("done", "x"),
    )
    assert joining_events(fold, "r") == [
        START,
        of("MESSAGES_SNAPSHOT", messages=fold.messages.data()),
        of("STATE_SNAPSHOT", snapshot={"a": 1}),
        of("TEXT_MESSAGE_START", messageId="m", role="assistant"),
        of("TOOL_CALL_START", toolCallId="c", toolCallName="find", parentMessageId="m"),
        of("STEP_STARTED", stepName="plan", subagentRunId="a"),
        of("REASONING_START", messageId="s"),
        of("REASONING_MESSAGE_START", messageId="t", role="reasoning"),
    ]
    assert fold.messages.data()[0]["content"] == "Hel"


def test_subagents_start_again_and_name_their_parent_if_it_is_open() -> None:
    def start(name: str, parent: str) -> dict[str, str]:
        return of("SUBAGENT_STARTED", subagentRunId=name, name="x", parentSubagentRunId=parent)

    fold = fold_of(
        START,
        of("SUBAGENT_STARTED", subagentRunId="a", name="x"),
        of("SUBAGENT_STARTED", subagentRunId="b", name="x"),
        start("c", "a"),
        start("d", "b"),
        of("SUBAGENT_FINISHED", subagentRunId="b"),
    )
    assert joining_events(fold, "r")[2:] == [
        of("SUBAGENT_STARTED", subagentRunId="a", name="x"),
        start("c", "a"),
        of("SUBAGENT_STARTED", subagentRunId="d", name="x"),
    ]


def test_what_is_open_without_a_message_starts_before_the_messages_take_it_away() -> None:
    fold = fold_of(START, *text("m", "x", ends=False), of("MESSAGES_SNAPSHOT", messages=[]))
    assert [each["type"] for each in joining_events(fold, "r")] == [
        "RUN_STARTED",
        "TEXT_MESSAGE_START",
        "MESSAGES_SNAPSHOT",
    ]


def test_reasoning_without_a_message_is_opened_without_one() -> None:
    thought = of("REASONING_MESSAGE_START", messageId="t", role="reasoning")
    other = {"id": "u", "role": "reasoning", "content": ""}
    fold = fold_of(START, thought, of("MESSAGES_SNAPSHOT", messages=[other]), of("MESSAGES_SNAPSHOT", messages=[]))
    assert joining_events(fold, "r")[1:4] == [
        of("TEXT_MESSAGE_START", messageId="t", role="assistant"),
        of("TEXT_MESSAGE_END", messageId="t"),
        thought,
    ]


def test_a_call_that_was_renamed_by_a_snapshot_starts_again_under_its_new_name() -> None:
    renamed = {"id": "c", "type": "function", "function": {"name": "read", "arguments": "{"}}
    snapshot = of("MESSAGES_SNAPSHOT", messages=[{"id": "m", "role": "assistant", "toolCalls": [renamed]}])
    fold = fold_of(START, *call("c", ends=False), snapshot)
    assert joining_events(fold, "r")[2:] == [
        of("TOOL_CALL_START", toolCallId="c", toolCallName="read", parentMessageId="m")
    ]


def test_a_text_and_a_thought_of_one_id_are_opened_without_a_message() -> None:
    thought = of("REASONING_MESSAGE_START", messageId="m", role="reasoning")
    other = {"id": "u", "role": "reasoning", "content": ""}
    replaced = [of("MESSAGES_SNAPSHOT", messages=[other]), of("MESSAGES_SNAPSHOT", messages=[])]
    fold = fold_of(START, *text("m", ends=False), thought, *replaced)
    begin = of("TEXT_MESSAGE_START", messageId="m", role="assistant")
    assert joining_events(fold, "r")[1:5] == [begin, of("TEXT_MESSAGE_END", messageId="m"), thought, begin]


def test_a_run_that_has_ended_ends_for_the_joiner_as_it_did() -> None:
    ask = {"type": "interrupt", "interrupts": [{"id": "i", "reason": "approval"}]}
    for end, shown in (
        (FINISH, FINISH),
        ({**FINISH, "outcome": ask}, {**FINISH, "outcome": ask}),
        ({**FINISH, "outcome": {"type": "cancelled"}}, {**FINISH, "outcome": {"type": "cancelled"}}),
        (of("RUN_ERROR", message="x", code="lost"), of("RUN_ERROR", message="x", code="lost")),
    ):
        assert joining_events(fold_of(START, end), "r")[-1] == shown
    answered = of("CUSTOM", name="wsh.decided", value={"interruptId": "i"})
    fold = fold_of(START, {**FINISH, "outcome": ask}, {**START, "runId": "s"}, answered)
    assert joining_events(fold, "r")[-1] == FINISH


def test_a_client_of_an_idle_project_sees_the_messages_and_what_is_asked() -> None:
    ask = {"type": "interrupt", "interrupts": [{"id": "i", "reason": "approval"}]}
    fold = fold_of(START, *text("m", "x"), {**FINISH, "outcome": ask})
    assert current_run(fold) is None
    assert joining_events(fold, "mine") == [
        {**START, "runId": "mine"},
        of("MESSAGES_SNAPSHOT", messages=fold.messages.data()),
        {**FINISH, "runId": "mine", "outcome": ask},
    ]
    assert joining_events(Fold("p"), "mine")[-1] == {**FINISH, "runId": "mine"}


def test_a_run_that_is_expected_does_not_end_and_the_current_one_started_last() -> None:
    assert [each["type"] for each in joining_events(Fold("p"), "r", is_expected=True)] == [
        "RUN_STARTED",
        "MESSAGES_SNAPSHOT",
    ]
    assert joining_events(fold_of(START, FINISH), "r", is_expected=True)[-1] == FINISH
    assert current_run(fold_of(START, {**START, "runId": "s"})) == "s"


@given(st.binary(max_size=300), st.booleans())
def test_the_list_breaks_no_rule_and_folds_to_the_same(draws: bytes, is_valid: bool) -> None:
    laws.a_joiners_list_breaks_no_rule_and_folds_to_the_same(draws, is_valid=is_valid)
