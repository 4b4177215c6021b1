"""Events and folds that the tests of runs have in common."""

from typing import Any

import msgspec

from websocket_handler.logs.runs.events import Event, event_of
from websocket_handler.logs.runs.fold import Fold, Folded
from websocket_handler.logs.runs.limits import FoldLimits
from websocket_handler.logs.runs.vocabulary import Generation

Fields = dict[str, Any]
START: Fields = {"type": "RUN_STARTED", "threadId": "p", "runId": "r"}
FINISH: Fields = {"type": "RUN_FINISHED", "threadId": "p", "runId": "r"}


def of(event_type: str, **fields: Any) -> Fields:
    return {"type": event_type, **fields}


def event(event_type: str, **fields: Any) -> Event:
    made = event_of(of(event_type, **fields))
    assert isinstance(made, Event), made
    return made


def text(message_id: str, *pieces: str, ends: bool = True) -> list[Fields]:
    """A text message in pieces."""
    contents = [of("TEXT_MESSAGE_CONTENT", messageId=message_id, delta=piece) for piece in pieces]
    end = [of("TEXT_MESSAGE_END", messageId=message_id)] if ends else []
    return [of("TEXT_MESSAGE_START", messageId=message_id, role="assistant"), *contents, *end]


def call(call_id: str, *pieces: str, ends: bool = True, parent: dict[str, str] | None = None) -> list[Fields]:
    """A tool call in pieces."""
    contents = [of("TOOL_CALL_ARGS", toolCallId=call_id, delta=piece) for piece in pieces]
    end = [of("TOOL_CALL_END", toolCallId=call_id)] if ends else []
    return [of("TOOL_CALL_START", toolCallId=call_id, toolCallName="find", **(parent or {})), *contents, *end]


def folded(*events: Fields, limits: FoldLimits | None = None) -> tuple[Fold, list[Folded | None]]:
    """The fold of these events, and what became of each."""
    fold = Fold("p", limits)
    return fold, [fold.fields(each) for each in events]


def fold_of(*events: Fields, limits: FoldLimits | None = None) -> Fold:
    """The fold of these events, none of which breaks a rule of AG-UI 1.0."""
    fold, answers = folded(*events, limits=limits)
    assert [each for each in answers if each is None or not each.counts] == []
    assert [each for answer in answers if answer for each in answer.problems if Generation.V1 in each.stops] == []
    return fold


def payload(fields: Fields, offset: int = 0) -> bytes:
    return msgspec.json.encode({**fields, "project_id": "p", "offset": offset} if offset else fields)
