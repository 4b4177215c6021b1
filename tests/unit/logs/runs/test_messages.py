"""Messages grow, and the oldest finished ones go when there is no space."""

from typing import Any

import msgspec
import pytest

from websocket_handler.logs.runs.limits import FoldLimits
from websocket_handler.logs.runs.messages import Full, Messages, merged

KEY = ("text", "m", None)


def made(limits: FoldLimits | None = None, *ids: str) -> Messages:
    messages = Messages(limits or FoldLimits())
    for each in ids:
        messages.add(message(each))
    return messages


def message(message_id: str, content: str = "") -> dict[str, Any]:
    return {"id": message_id, "role": "user", "content": content}


def ids(messages: Messages) -> list[str]:
    return [each["id"] for each in messages.data()]


SIZE = len(msgspec.json.encode(message("m")))


def test_the_size_is_that_of_the_json_however_a_text_grew() -> None:
    messages = made(None, "m")
    messages.grow(KEY)
    for piece in ("a", 'quote"', "\\", "\n\x00", "é😀", "") * 200:
        assert messages.append(KEY, piece)
        assert messages.size == messages.list[0].size
    assert messages.size == sum(len(msgspec.json.encode(each)) for each in messages.data())


def test_a_text_without_content_gets_one_with_the_first_piece() -> None:
    messages = Messages(FoldLimits())
    messages.add({"id": "m", "role": "assistant", "toolCalls": []})
    messages.add({"id": "parts", "role": "user", "content": [{"type": "text", "text": "x"}]})
    for key in (KEY, ("text", "parts", None)):
        messages.grow(key)
        messages.append(key, "")
    assert [each["content"] for each in messages.data()] == ["", ""]
    assert messages.size == sum(len(msgspec.json.encode(each)) for each in messages.data())


def test_one_message_has_a_maximum_of_bytes() -> None:
    messages = made(FoldLimits(message_bytes=SIZE + 4), "m")
    messages.grow(KEY)
    assert messages.append(KEY, "1234")
    assert not messages.truncated
    with pytest.raises(Full):
        messages.append(KEY, "5")
    with pytest.raises(Full):
        messages.add(message("n", "12345"))
    messages.add(message("n", "1234"))
    assert [each["content"] for each in messages.data()] == ["1234", "1234"]
    assert messages.truncated


def test_the_oldest_finished_messages_go_first() -> None:
    messages = made(FoldLimits(messages_bytes=3 * SIZE), "1", "2", "3")
    assert not messages.truncated
    messages.grow(("text", "1", None))
    messages.add(message("4"))
    assert (ids(messages), messages.truncated) == (["1", "3", "4"], True)
    messages.append(("text", "1", None), "x")
    assert ids(messages) == ["1", "4"]


def test_there_is_a_maximum_of_messages() -> None:
    messages = made(FoldLimits(messages=2), "1", "2")
    assert not messages.truncated
    messages.add(message("3"))
    assert (ids(messages), messages.truncated) == (["2", "3"], True)


def test_what_grows_is_not_dropped_and_nothing_is_dropped_in_vain() -> None:
    messages = made(FoldLimits(messages_bytes=3 * SIZE), "1", "2", "3")
    messages.grow(("text", "2", None))
    with pytest.raises(Full):
        messages.add(message("4", "x" * (2 * SIZE)))
    assert ids(messages) == ["1", "2", "3"]
    messages.stop(("text", "2", None))
    messages.add(message("4", "x" * (2 * SIZE)))
    assert ids(messages) == ["4"]


def test_a_result_stands_behind_its_call_and_the_results_before_it() -> None:
    messages = made(None, "a", "b")
    first = messages.list[0]
    for each in ("r1", "r2"):
        messages.add({"id": each, "role": "tool", "toolCallId": "c", "content": ""}, after=first)
    assert ids(messages) == ["a", "r1", "r2", "b"]


def test_a_snapshot_takes_the_place_of_the_messages_and_open_texts_go_on_in_it() -> None:
    messages = made(None, "m", "gone")
    messages.grow(KEY)
    messages.grow(("text", "gone", None))
    messages.append(KEY, "before")
    messages.replace_all(messages.list[:1], {"m": message("m", "as saved"), "new": message("new")})
    messages.append(KEY, ", and on")
    assert messages.data() == [message("m", "as saved, and on"), message("new")]
    assert messages.is_lost(("text", "gone", None))
    assert not messages.append(("text", "gone", None), "x")
    messages.add(message("gone"))
    assert messages.append(("text", "gone", None), "x")
    assert messages.size == sum(len(msgspec.json.encode(each)) for each in messages.data())


def test_a_snapshot_is_cut_to_what_has_space() -> None:
    messages = made(FoldLimits(message_bytes=SIZE, messages=2))
    messages.replace_all((), {each: message(each, "x" * (each == "2")) for each in ("1", "2", "3", "4")})
    assert (ids(messages), messages.truncated) == (["3", "4"], True)


def test_one_message_can_grow_under_two_kinds() -> None:
    messages = made(None, "m")
    reasoning = ("reasoning", "m", None)
    messages.grow(KEY)
    messages.grow(reasoning)
    for key, piece in ((KEY, "a"), (reasoning, "b"), (KEY, "c")):
        messages.append(key, piece)
    messages.stop(KEY)
    messages.append(reasoning, "d")
    assert messages.data() == [message("m", "abcd")]
    assert messages.list[0].growing == 1


def test_an_activity_in_the_place_of_a_message_takes_its_calls_and_texts() -> None:
    messages = Messages(FoldLimits())
    holder = messages.add({"id": "m", "role": "assistant", "toolCalls": []})
    messages.add_call(holder, {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}})
    messages.grow(("call", "c", None))
    messages.become(holder, {"id": "m", "role": "activity", "activityType": "plan", "content": {}})
    assert messages.data() == [{"id": "m", "role": "activity", "activityType": "plan", "content": {}}]
    assert messages.find_call("c") is None
    assert messages.is_lost(("call", "c", None))
    assert messages.size == len(msgspec.json.encode(messages.data()[0]))


def test_a_dropped_message_takes_its_calls_along() -> None:
    messages = Messages(FoldLimits(messages=1))
    messages.add_call(
        messages.add({"id": "m", "role": "assistant", "toolCalls": []}),
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}},
    )
    messages.add(message("n"))
    assert messages.find_call("c") is None
    assert messages.find("m") is None


def test_metadata_are_merged_key_by_key() -> None:
    assert merged({"metadata": {"a": [1], "b": 1}}, {"metadata": {"a": [2]}}) == {"a": [2], "b": 1}
    assert merged({}, {"metadata": {"a": None}}) == {"a": None}
