"""Snapshots within a maximum of bytes: what is left out, in which order, and that the rest can be gone on with."""

from typing import Any

import msgspec
import pytest

from websocket_handler.logs.runs import snapshot
from websocket_handler.logs.runs.fitting import SNAPSHOT_BYTES_MIN, fitted
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.limits import FoldLimits
from websocket_handler.logs.runs.vocabulary import Fields
from websocket_handler.protocol import replies
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.names import OFFSET_MAX


def form(fields: Fields) -> bytes:
    return replies.snapshot("p", Position("e", 9), snapshot.told(fields))


def folded(*events: dict[str, Any]) -> Fold:
    fold = Fold("p")
    for event in ({"type": "RUN_STARTED", "threadId": "p", "runId": "r"}, *events):
        found = fold.fields(event)
        assert found is not None
        assert found.counts, found
    return fold


def text(message_id: str, size: int, *, ends: bool = True) -> list[dict[str, Any]]:
    """The events of a message of the length `size`."""
    events: list[dict[str, Any]] = [
        {"type": "TEXT_MESSAGE_START", "messageId": message_id, "role": "assistant"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": message_id, "delta": "x" * size},
    ]
    return [*events, {"type": "TEXT_MESSAGE_END", "messageId": message_id}] if ends else events


def ids(stored: bytes) -> list[str]:
    return [message["id"] for message in msgspec.json.decode(stored)["messages"]]


def test_what_fits_is_stored_whole_and_told_with_the_same_messages() -> None:
    fold = folded(*text("a", 10), *text("b", 20, ends=False))
    stored, push = fitted(fold, SNAPSHOT_BYTES_MIN, form)
    assert stored == snapshot.dump(fold)
    told = msgspec.json.decode(push)
    assert (told["type"], told["project_id"], told["epoch"], told["offset"]) == ("snapshot", "p", "e", 9)
    assert told["truncated"] is False
    assert told["messages"] == fold.messages.data()
    assert told["runs"] == [{"run_id": "r", "open": [{"kind": "text", "id": "b"}]}]


def test_the_largest_that_fits_is_whole_and_one_byte_less_leaves_out_the_oldest_finished_message() -> None:
    fold = folded(*text("growing", 3000, ends=False), *text("old", 3000), *text("new", 3000))
    largest = max(map(len, fitted(fold, 1_000_000, form)))
    assert ids(fitted(fold, largest, form)[0]) == ["growing", "old", "new"]
    stored, push = fitted(fold, largest - 1, form)
    assert (ids(stored), ids(push)) == (["growing", "new"], ["growing", "new"])
    assert msgspec.json.decode(stored)["truncated"] is msgspec.json.decode(push)["truncated"] is True


def test_growing_messages_go_after_finished_ones_and_the_state_after_them() -> None:
    state = {"type": "STATE_SNAPSHOT", "snapshot": {"big": "s" * 3000}}
    fold = folded(*text("growing", 3000, ends=False), *text("done", 3000), state)
    assert ids(fitted(fold, 7000, form)[0]) == ["growing"]
    stored, _ = fitted(fold, SNAPSHOT_BYTES_MIN, form)
    assert (ids(stored), "state" in msgspec.json.decode(stored)) == ([], True)
    stored, _ = fitted(
        folded(state, {"type": "STATE_DELTA", "delta": [{"op": "add", "path": "/more", "value": "t" * 3000}]}),
        SNAPSHOT_BYTES_MIN,
        form,
    )
    assert "state" not in msgspec.json.decode(stored)


def test_what_was_fitted_goes_on() -> None:
    fold = folded(*text("growing", 3000, ends=False), *text("done", 3000))
    stored, _ = fitted(fold, 4096, form)
    again = snapshot.load(stored)
    found = again.fields({"type": "TEXT_MESSAGE_CONTENT", "messageId": "growing", "delta": "y"})
    assert found is not None
    assert found.counts
    assert again.messages.data()[0]["content"] == "x" * 3000 + "y"
    assert again.truncated


def test_a_growing_message_that_was_left_out_can_still_be_closed() -> None:
    stored, _ = fitted(folded(*text("growing", 5000, ends=False)), SNAPSHOT_BYTES_MIN, form)
    again = snapshot.load(stored)
    found = again.fields({"type": "TEXT_MESSAGE_END", "messageId": "growing"})
    assert found is not None
    assert found.problem is None


@pytest.mark.parametrize("character", ["i", "\N{SMILING FACE WITH SUNGLASSES}", "\x01"])
def test_a_fold_at_all_its_maxima_fits_into_the_least_that_can_be_set(character: str) -> None:
    limits, longest = FoldLimits(), character * (256 // len(character.encode()))
    fold = Fold("p" * 128)
    fold.offset = OFFSET_MAX
    for number in range(limits.open_runs):
        run = {"runId": f"{number}{longest}"[: len(longest)], "threadId": "p"}
        fold.fields({"type": "RUN_STARTED", **run})
        for step in range(limits.open_things):
            fold.fields({"type": "STEP_STARTED", **run, "stepName": f"{step}{longest}"[: len(longest)]})
    for number in range(100):
        fold.fields({"type": "RUN_STARTED", "threadId": "p", "runId": f"e{number}"})
        fold.fields({"type": "RUN_ERROR", "runId": f"e{number}", "message": character * 2000, "code": character * 2000})
    for size in (SNAPSHOT_BYTES_MIN, SNAPSHOT_BYTES_MIN + 1, 8192):
        assert max(map(len, fitted(fold, size, form))) <= size
