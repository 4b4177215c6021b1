"""Makes of an event what a client of a generation takes: without types and fields that it does not know."""

from collections.abc import Callable
from typing import Any, Final

from websocket_handler.logs.runs import shapes
from websocket_handler.logs.runs.events import Event
from websocket_handler.logs.runs.vocabulary import SUBAGENTS, TYPES_1_0, Fields, Generation

KNOWN: Final = {name: shapes.known_fields(name) for name in TYPES_1_0}


def translated(event: Event, generation: Generation) -> Fields | None:
    """The event for clients of this generation; None if they have none like it."""
    fields = event.fields
    if not fields.keys() <= KNOWN[event.type]:
        known = KNOWN[event.type]
        fields = {name: value for name, value in fields.items() if name in known}
    if event.type == "REASONING_MESSAGE_START" and "role" not in fields:
        fields = fields | {"role": "reasoning"}
    if generation is Generation.V1:
        return fields
    if event.type in SUBAGENTS:
        return None
    if "subagentRunId" in fields:
        fields = {name: value for name, value in fields.items() if name != "subagentRunId"}
    older = _OLDER.get(event.type)
    return fields if older is None else older(fields)


def _finished(fields: Fields) -> Fields:
    """0.0.59 does not know that a run can be cancelled, and stops."""
    outcome = (fields.get("outcome") or {}).get("type")
    if outcome == "cancelled":
        return {"type": "RUN_ERROR", "message": "the run was cancelled", "code": "cancelled"}
    return fields if outcome in ("success", "interrupt") else _without(fields, "outcome")


def _result(fields: Fields) -> Fields:
    return fields | {"content": _plain_text(fields["content"])}


def _snapshot(fields: Fields) -> Fields:
    return fields | {"messages": [_older_message(each) for each in fields["messages"]]}


def _started(fields: Fields) -> Fields:
    return _without(fields, "input", "protocolVersion")


def _older_message(message: Fields) -> Fields:
    if message["role"] == "tool":
        message = message | {"content": _plain_text(message["content"])}
    return _without(message, "subagentRunId")


def _plain_text(content: Any) -> str:
    """0.0.59 has one text as the result of a tool, and no parts."""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if isinstance(part.get("text"), str))


def _without(fields: Fields, *names: str) -> Fields:
    return {name: value for name, value in fields.items() if name not in names}


_OLDER: Final[dict[str, Callable[[Fields], Fields]]] = {
    "RUN_STARTED": _started,
    "RUN_FINISHED": _finished,
    "TOOL_CALL_RESULT": _result,
    "MESSAGES_SNAPSHOT": _snapshot,
}
