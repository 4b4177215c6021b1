"""Tells one run of a fold once more, from its beginning: the shortest list of events from which its messages come."""

from collections.abc import Iterator, Sequence

from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.joining import start_of
from websocket_handler.logs.runs.messages import Message
from websocket_handler.logs.runs.open_runs import Key
from websocket_handler.logs.runs.vocabulary import Fields, Kind

_SHOWN: tuple[Kind, ...] = (Kind.TEXT, Kind.CALL, Kind.REASONING)


def retold(fold: Fold, run_id: str) -> Iterator[Fields]:
    """The events of AG-UI 1.0 from which come the messages that a run wrote. What is open stays open.

    They share their values with the fold: use them before the next event."""
    fold.messages.data()  # texts that grow are joined
    run = fold.runs.runs.get(run_id)
    opened = run.open if run is not None else {}
    told: set[Key] = set()
    for message in fold.messages.list:
        if message.run_id == run_id:
            yield from _message(message, opened, told)
    for key, kept in opened.items():
        if run is not None and key not in told and key[0] in _SHOWN:
            yield start_of(fold, run, key, kept)  # its message is gone, and more may come


def retold_message(fold: Fold, message: Message) -> list[Fields]:
    """The events of a single message. Nothing of it is open."""
    fold.messages.data()
    return list(_message(message, (), set()))


def _message(message: Message, opened: Sequence[Key] | dict[Key, Fields], told: set[Key]) -> Iterator[Fields]:
    data, role = message.data, message.data["role"]
    if role == "tool":
        yield {"type": "TOOL_CALL_RESULT", "messageId": data["id"]} | _of(data, "toolCallId", "content")
    elif role == "activity":
        yield {"type": "ACTIVITY_SNAPSHOT", "messageId": data["id"]} | _of(data, "activityType", "content")
    elif role == "reasoning":
        key = (Kind.REASONING, data["id"], None)
        yield from _text("REASONING_MESSAGE", data, key, opened, told)
    else:
        key = (Kind.TEXT, data["id"], None)
        if "content" in data or key in opened:
            yield from _text("TEXT_MESSAGE", data, key, opened, told)
        for call in data.get("toolCalls") or ():
            yield from _call(call, data["id"], opened, told)


def _text(
    prefix: str, data: Fields, key: Key, opened: Sequence[Key] | dict[Key, Fields], told: set[Key]
) -> Iterator[Fields]:
    named = {"messageId": data["id"]}
    yield {"type": f"{prefix}_START", **named, "role": data["role"]}
    if type(data.get("content")) is str and data["content"]:
        yield {"type": f"{prefix}_CONTENT", **named, "delta": data["content"]}
    if not _goes_on(key, data["role"], opened):
        yield {"type": f"{prefix}_END", **named}
    told.add(key)


def _goes_on(key: Key, role: str, opened: Sequence[Key] | dict[Key, Fields]) -> bool:
    """True unless the text is over, or was begun under another role than a snapshot of messages gave it since: then a
    client has it whole from that snapshot, and does not know that it goes on."""
    kept = opened[key] if isinstance(opened, dict) and key in opened else None
    return kept is not None and kept.get("role", role) == role


def _call(call: Fields, message_id: str, opened: Sequence[Key] | dict[Key, Fields], told: set[Key]) -> Iterator[Fields]:
    key, named = (Kind.CALL, call["id"], None), {"toolCallId": call["id"]}
    function = call["function"]
    yield {"type": "TOOL_CALL_START", **named, "toolCallName": function["name"], "parentMessageId": message_id}
    if function["arguments"]:
        yield {"type": "TOOL_CALL_ARGS", **named, "delta": function["arguments"]}
    if key not in opened:
        yield {"type": "TOOL_CALL_END", **named}
    told.add(key)


def _of(data: Fields, *names: str) -> Fields:
    return {name: data[name] for name in names}
