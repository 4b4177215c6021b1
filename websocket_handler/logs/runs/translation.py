"""Makes of an event what a client of a generation takes: without types and fields that it does not know."""

from collections.abc import Callable
from typing import Any, Final

from websocket_handler.logs.runs import shapes
from websocket_handler.logs.runs.events import Event
from websocket_handler.logs.runs.vocabulary import TYPES_1_0, Fields, Generation

KNOWN: Final = {name: shapes.known_fields(name) for name in TYPES_1_0}


def translated(event: Event, generation: Generation) -> Fields:
    """The event for clients of this generation. Chunks and THINKING events were expanded before."""
    fields = event.fields
    if not fields.keys() <= KNOWN[event.type]:
        known = KNOWN[event.type]
        fields = {name: value for name, value in fields.items() if name in known}
    older = _OLDER.get(event.type) if generation is Generation.V0 else None
    return fields if older is None else older(fields)


def _finished(fields: Fields) -> Fields:
    """0.0.59 does not know that a run can be cancelled, and takes no further fields in an outcome: it stops."""
    outcome = fields.get("outcome")
    if outcome is None:
        return fields
    if outcome["type"] == "cancelled":
        return {"type": "RUN_ERROR", "message": "the run was cancelled", "code": "cancelled"}
    return fields | {"outcome": {name: outcome[name] for name in ("type", "interrupts") if name in outcome}}


def _result(fields: Fields) -> Fields:
    return fields | {"content": _plain_text(fields["content"])}


def _snapshot(fields: Fields) -> Fields:
    return fields | {"messages": [_older_message(each) for each in fields["messages"]]}


def _started(fields: Fields) -> Fields:
    """The input of a run is that of a client of another version; this client has its own."""
    return {name: value for name, value in fields.items() if name not in ("input", "protocolVersion")}


def _subagent_finished(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if name != "outcome"}


def _older_message(message: Fields) -> Fields:
    return message | {"content": _plain_text(message["content"])} if message["role"] == "tool" else message


def _plain_text(content: Any) -> str:
    """0.0.59 has one text as the result of a tool, and no parts."""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if isinstance(part.get("text"), str))


_OLDER: Final[dict[str, Callable[[Fields], Fields]]] = {
    "RUN_STARTED": _started,
    "RUN_FINISHED": _finished,
    "TOOL_CALL_RESULT": _result,
    "MESSAGES_SNAPSHOT": _snapshot,
    "SUBAGENT_FINISHED": _subagent_finished,
}
