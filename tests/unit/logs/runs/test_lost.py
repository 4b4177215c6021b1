"""A run whose agent is gone ends all the same."""

from tests.unit.logs.runs.made import START, call, fold_of, of, text
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.lost import lost_events


def test_all_that_is_open_is_closed_and_then_the_run_fails() -> None:
    fold = fold_of(START, *text("m", "so far", ends=False), *call("c", "{", ends=False))
    events = lost_events(fold, "r")
    assert events == [
        of("TOOL_CALL_END", toolCallId="c", runId="r"),
        of("TEXT_MESSAGE_END", messageId="m", runId="r"),
        of("RUN_ERROR", message="the agent is gone: its lease ended", code="lost", runId="r"),
    ]
    for each in events:
        answer = fold.fields(each)
        assert answer is not None
        assert (answer.run_id, answer.problem) == ("r", None)
    assert fold.runs.runs == {}
    assert fold.ends.ended["r"]["code"] == "lost"
    assert fold.messages.data()[0]["content"] == "so far"


def test_a_run_that_is_not_open_is_left_alone() -> None:
    assert lost_events(Fold("p"), "r") == []
