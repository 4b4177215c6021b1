"""What AG-UI clients of 1.0 overlook in an event, and those of 0.0.59 perhaps not: it is taken out, and noted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from websocket_handler.logs.runs import shapes
from websocket_handler.logs.runs.problems import ONLY_V0, ONLY_V1, Problem, Rule
from websocket_handler.logs.runs.vocabulary import BOTH, Fields

_NULL_IS_ABSENT: Final = frozenset(("rawEvent", "result", "outcome", "parentMessageId"))
"""Fields in which both generations take null for nothing."""
Notes = tuple[Problem, ...]
_FINE: Final[Notes] = ()


def tolerated(event_type: str, fields: Fields) -> tuple[Fields, Notes]:
    """The fields without what is overlooked, and what that was. Their shapes were checked before."""
    notes = noted_nulls(event_type, fields)
    if notes:
        nulls = shapes.nulls_in(event_type, fields)
        fields = {name: value for name, value in fields.items() if name not in nulls}
    if type(fields.get("timestamp")) is float:
        fields = _without(fields, "timestamp")
        notes += (Problem(Rule.UNKNOWN_VALUE, f"{event_type}: timestamp is no integer", ONLY_V1),)
    special = _SPECIAL.get(event_type)
    if special is None:
        return fields, notes
    fields, more = special(fields)
    return fields, notes + more


def noted_nulls(event_type: str, fields: Fields) -> Notes:
    """A note for each field that may be absent, and is null."""
    return tuple(
        Problem(Rule.NULL_FIELD, f"{event_type}: {name} is null", () if name in _NULL_IS_ABSENT else BOTH)
        for name in shapes.nulls_in(event_type, fields)
    )


def _finished(fields: Fields) -> tuple[Fields, Notes]:
    outcome = fields.get("outcome") or {"type": "success"}
    if outcome["type"] not in shapes.OUTCOMES:
        problem = Problem(Rule.UNKNOWN_VALUE, f"the outcome {outcome['type'][:64]!r} is not known", ONLY_V0)
        return _without(fields, "outcome"), (problem,)
    if outcome["type"] == "cancelled" or (outcome["type"] == "success" and len(outcome) > 1):
        return fields, (_not_in_older(f"the outcome {outcome['type']} in this form"),)
    return fields, _FINE


def _result(fields: Fields) -> tuple[Fields, Notes]:
    return fields, _FINE if type(fields["content"]) is str else (_not_in_older("a result of a tool with parts"),)


def _snapshot(fields: Fields) -> tuple[Fields, Notes]:
    notes: Notes = _FINE
    messages = [each for each in fields["messages"] if each.get("role") in shapes.ROLES]
    if len(messages) < len(fields["messages"]):
        fields = fields | {"messages": messages}
        notes = (Problem(Rule.UNKNOWN_VALUE, "a message has a role that is not known", ONLY_V0),)
    if any(each["role"] == "tool" and type(each["content"]) is not str for each in messages):
        notes += (_not_in_older("a result of a tool with parts"),)
    if any(value is None for each in messages for value in each.values()):
        messages = [{name: value for name, value in each.items() if value is not None} for each in messages]
        fields = fields | {"messages": messages}
        notes += (Problem(Rule.NULL_FIELD, "a field of a message is null"),)
    return fields, notes


def _patch(name: str) -> Callable[[Fields], tuple[Fields, Notes]]:
    def check(fields: Fields) -> tuple[Fields, Notes]:
        operations = [each for each in fields[name] if _is_known(each.get("op"))]
        if any(map(_moves_into_itself, operations)):  # the library of the clients makes a circle of it
            problem = Problem(Rule.PATCH_FAILED, "a patch moves a value into itself", ())
            return fields | {name: []}, (problem,)
        if len(operations) == len(fields[name]):
            return fields, _FINE
        problem = Problem(Rule.UNKNOWN_VALUE, "an operation of a patch is not known", ())
        return fields | {name: operations}, (problem,)

    return check


def _moves_into_itself(operation: Fields) -> bool:
    return operation["op"] == "move" and bool(operation["path"].startswith(operation["from"] + "/"))


def _is_known(operation: Any) -> bool:
    return type(operation) is str and operation in shapes.OPERATIONS


def _reasoning(fields: Fields) -> tuple[Fields, Notes]:
    if "role" in fields:
        return fields, _FINE
    return fields | {"role": "reasoning"}, (Problem(Rule.NO_ROLE, "REASONING_MESSAGE_START without a role"),)


def _not_in_older(what: str) -> Problem:
    return Problem(Rule.NOT_IN_0_0_59, f"0.0.59 does not know {what}", ONLY_V0)


def _without(fields: Fields, name: str) -> dict[str, Any]:
    return {each: value for each, value in fields.items() if each != name}


_SPECIAL: Final[dict[str, Callable[[Fields], tuple[Fields, Notes]]]] = {
    "RUN_FINISHED": _finished,
    "TOOL_CALL_RESULT": _result,
    "MESSAGES_SNAPSHOT": _snapshot,
    "STATE_DELTA": _patch("delta"),
    "ACTIVITY_DELTA": _patch("patch"),
    "REASONING_MESSAGE_START": _reasoning,
}
