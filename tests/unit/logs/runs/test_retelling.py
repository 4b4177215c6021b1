"""The events that tell a run once more make the messages that it wrote, and leave open what is open."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.logs.runs import laws
from tests.unit.logs.runs.made import FINISH, START, call, fold_of, of, text
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.retelling import retold, retold_message


def test_a_run_is_told_without_what_others_wrote() -> None:
    asked = {"threadId": "p", "runId": "r", "messages": [{"id": "u", "role": "user", "content": "?"}]}
    fold = fold_of(
        {**START, "input": asked},
        *call("c", "{", "}", parent={"parentMessageId": "m"}),
        *text("n", "Hel", "lo", ends=False),
    )
    assert [(each["type"], each.get("delta")) for each in retold(fold, "r")] == [
        ("TOOL_CALL_START", None),
        ("TOOL_CALL_ARGS", "{}"),
        ("TOOL_CALL_END", None),
        ("TEXT_MESSAGE_START", None),
        ("TEXT_MESSAGE_CONTENT", "Hello"),
    ]
    assert list(retold(fold, "another")) == []


def test_a_single_message_is_told_with_nothing_open() -> None:
    fold = fold_of(START, *text("m", "x", ends=False))
    message = fold.messages.find("m")
    assert message is not None
    assert [each["type"] for each in retold_message(fold, message)][-1] == "TEXT_MESSAGE_END"


@given(st.binary(max_size=200))
def test_what_is_told_makes_the_same_messages(draws: bytes) -> None:
    fold = laws.folded(laws.log_of(draws, is_valid=True))
    for run_id in {message.run_id for message in fold.messages.list if message.run_id is not None}:
        again = Fold("p")
        again.fields({**START, "runId": run_id})
        for each in retold(fold, run_id):
            again.fields({**each, "runId": run_id})
        told, wrote = words(again), words(fold, run_id)
        assert {name: told[name] for name in wrote} == wrote
        run = fold.runs.runs.get(run_id)
        assert len(told) - len(wrote) <= (len(run.open) if run is not None else 0), "what is open, and has no message"


def words(fold: Fold, run_id: str | None = None) -> dict[str, object]:
    """What people read of the messages of a run."""
    fold.messages.data()
    return {
        each.data["id"]: (
            each.data["role"],
            each.data.get("content") or "",
            [call["function"] for call in each.data.get("toolCalls") or ()],
        )
        for each in fold.messages.list
        if run_id in (None, each.run_id)
    }


def test_what_is_open_and_whose_message_is_gone_is_opened_once_more() -> None:
    fold = fold_of(START, *text("m", "x", ends=False), of("MESSAGES_SNAPSHOT", messages=[]))
    assert [each["type"] for each in retold(fold, "r")] == ["TEXT_MESSAGE_START"]
    fold = fold_of(START, *text("m", "x"), FINISH)
    assert [each["type"] for each in retold(fold, "r")][-1] == "TEXT_MESSAGE_END"
