"""A fold that was stored goes on as if it had not been."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.logs.runs import laws
from tests.unit.logs.runs.made import FINISH, START, call, fold_of, of, text
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.snapshot import SnapshotUnreadable, dump, load, snapshot_of


def test_a_snapshot_holds_what_there_is() -> None:
    usage = [{"model": "m", "inputTokens": 3}]
    ask = {"type": "interrupt", "interrupts": [{"id": "i", "reason": "approval"}]}
    fold = fold_of(
        START,
        of("STATE_SNAPSHOT", snapshot={"a": 1}),
        {**FINISH, "outcome": ask, "usage": usage},
        {**START, "runId": "s"},
        *text("m", "Hel", "lo", ends=False),
    )
    assert snapshot_of(fold) == {
        "version": 1,
        "project_id": "p",
        "offset": 0,
        "truncated": False,
        "messages": [{"id": "m", "role": "assistant", "content": "Hello"}],
        "writers": {"m": "s"},
        "state": {"a": 1},
        "runs": [
            {
                "run_id": "s",
                "started": 0,
                "attempt": 1,
                "heard": 0,
                "is_waiting": False,
                "is_stalled": False,
                "open": [["text", "m", None, {"role": "assistant"}]],
                "closed_subagents": [],
                "chunks": [],
                "span": None,
                "thought": None,
                "thoughts": 0,
            }
        ],
        "ended": [{"run_id": "r", "outcome": "interrupt", "offset": 0}],
        "interrupts": [{"id": "i", "reason": "approval", "runId": "r", "askedOffset": 0}],
        "decisions": [],
        "usage": [{"provider": "", "model": "m", "inputTokens": 3}],
    }
    assert dump(load(dump(fold))) == dump(fold)


def test_without_a_state_there_is_none_and_null_is_one() -> None:
    assert "state" not in snapshot_of(load(dump(Fold("p"))))
    assert snapshot_of(load(dump(fold_of(START, of("STATE_SNAPSHOT", snapshot=None)))))["state"] is None


def test_what_is_open_goes_on_after_a_restart() -> None:
    fold = load(dump(fold_of(START, *text("m", "a", ends=False), *call("c", "1", ends=False))))
    for event in (
        of("TEXT_MESSAGE_CONTENT", messageId="m", delta="b"),
        of("TOOL_CALL_ARGS", toolCallId="c", delta="2"),
    ):
        answer = fold.fields(event)
        assert answer is not None
        assert (answer.run_id, answer.problem) == ("r", None)
    assert fold.messages.data()[0]["content"] == "ab"
    assert fold.messages.data()[1]["toolCalls"][0]["function"]["arguments"] == "12"


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'{"version":2}',
        b'{"version":1,"project_id":"p","offset":"x"}',
        b"\xff",
        b'{"version":1',
    ],
)
def test_what_is_no_snapshot_is_refused(stored: bytes) -> None:
    with pytest.raises(SnapshotUnreadable):
        load(stored)
    whole = msgspec.json.decode(dump(fold_of(START)))
    for name in whole:
        part = {each: value for each, value in whole.items() if each != name}
        if name != "state":
            with pytest.raises(SnapshotUnreadable):
                load(msgspec.json.encode(part))


@given(st.binary(max_size=300), st.integers(0, 60), st.booleans(), st.booleans())
def test_folding_from_a_snapshot_gives_what_folding_from_the_start_gives(
    draws: bytes, at: int, is_valid: bool, is_tight: bool
) -> None:
    laws.a_stored_fold_goes_on_as_if_it_had_not_been(draws, at, is_valid=is_valid, is_tight=is_tight)
