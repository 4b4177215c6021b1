"""The fields that each event type must and may have, and what values they take. AG-UI clients stop at anything else."""

from collections.abc import Callable
from typing import Any, Final

from websocket_handler.logs.runs.problems import ONLY_V1, Problem, Rule
from websocket_handler.logs.runs.vocabulary import BOTH, TYPES, Fields, Generation

Check = Callable[[Any], bool]
SAFE_INTEGER: Final = 2**53 - 1
_MISSING: Final = object()


def _text(value: Any) -> bool:
    return type(value) is str


def _anything(_value: Any) -> bool:
    return True


def _object(value: Any) -> bool:
    return type(value) is dict


def _boolean(value: Any) -> bool:
    return type(value) is bool


def _time(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) <= SAFE_INTEGER)


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= SAFE_INTEGER


def _one_of(*words: str) -> Check:
    return lambda value: type(value) is str and value in words


def _list_of(check: Check) -> Check:
    return lambda value: type(value) is list and all(map(check, value))


def _text_or_list(value: Any) -> bool:
    return type(value) is str or (type(value) is list and all(type(part) is dict for part in value))


def _shape(required: dict[str, Check], optional: dict[str, Check] | None = None) -> Check:
    """The check of an object that has these fields. Others may stand in it."""

    def check(value: Any) -> bool:
        return (
            type(value) is dict
            and all(name in value and test(value[name]) for name, test in required.items())
            and all(value.get(name) is None or test(value[name]) for name, test in (optional or {}).items())
        )

    return check


_POINTERS: Final = {"add": (), "remove": (), "replace": (), "test": (), "move": ("from",), "copy": ("from",)}
OPERATIONS: Final = frozenset(_POINTERS)
_WITH_VALUE: Final = ("add", "replace", "test")


def _patch_operation(value: Any) -> bool:
    if type(value) is not dict:
        return False
    operation = value.get("op")
    if type(operation) is not str or operation not in _POINTERS:
        return True  # clients of 1.0 overlook an operation that they do not know
    return (operation not in _WITH_VALUE or "value" in value) and all(
        type(value.get(name)) is str for name in ("path", *_POINTERS[operation])
    )


_call: Final = _shape(
    {"id": _text, "type": _one_of("function"), "function": _shape({"name": _text, "arguments": _text})}
)
_MESSAGES: Final[dict[str, Check]] = {
    "developer": _shape({"content": _text}),
    "system": _shape({"content": _text}),
    "user": _shape({"content": _text_or_list}),
    "assistant": _shape({}, {"content": _text, "toolCalls": _list_of(_call)}),
    "tool": _shape({"content": _text_or_list, "toolCallId": _text}),
    "activity": _shape({"content": _object, "activityType": _text}),
    "reasoning": _shape({"content": _text}),
}
ROLES: Final = frozenset(_MESSAGES)
_any_message: Final = _shape({"id": _text}, {"subagentRunId": _text, "metadata": _object})


def _message(value: Any) -> bool:
    """A message of a role that nobody knows is overlooked by clients of 1.0, so it is no mistake here."""
    role = value.get("role") if type(value) is dict else _MISSING
    if type(role) is str and role in _MESSAGES:
        return _any_message(value) and _MESSAGES[role](value)
    return role is None or type(role) is str


_interrupt: Final = _shape({"id": _text, "reason": _text})
_counts: Final = dict.fromkeys(
    ("inputTokens", "outputTokens", "totalTokens", "reasoningTokens", "cachedInputTokens"), _count
)
_usage: Final = _list_of(_shape({}, {"provider": _text, "model": _text, **_counts}))


OUTCOMES: Final = frozenset(("success", "interrupt", "cancelled"))


def _outcome(value: Any) -> bool:
    """An outcome of a type that nobody knows is overlooked by clients of 1.0, so it is no mistake here."""
    if type(value) is not dict or type(value.get("type")) is not str:
        return False
    return value["type"] != "interrupt" or (
        type(value.get("interrupts")) is list
        and bool(value["interrupts"])
        and all(map(_interrupt, value["interrupts"]))
    )


_ROLE: Final = _one_of("developer", "system", "assistant", "user")
_COMMON: Final[dict[str, Check]] = {"timestamp": _time, "metadata": _object, "runId": _text}
_TAG: Final[dict[str, Check]] = {"subagentRunId": _text}
_ID: Final[dict[str, Check]] = {"messageId": _text}
_CALL_ID: Final[dict[str, Check]] = {"toolCallId": _text}
_DELTA: Final[dict[str, Check]] = {"delta": _text}
_INPUT: Final = _shape({"threadId": _text, "runId": _text, "messages": _list_of(_message)})
_RUN: Final[dict[str, Check]] = {"threadId": _text, "runId": _text}
_SUBAGENT: Final[dict[str, Check]] = {"subagentRunId": _text}
_REQUIRED: Final[dict[str, dict[str, Check]]] = {
    "TEXT_MESSAGE_START": _ID,
    "TEXT_MESSAGE_CONTENT": _ID | _DELTA,
    "TEXT_MESSAGE_END": _ID,
    "TOOL_CALL_START": _CALL_ID | {"toolCallName": _text},
    "TOOL_CALL_ARGS": _CALL_ID | _DELTA,
    "TOOL_CALL_END": _CALL_ID,
    "TOOL_CALL_RESULT": _ID | _CALL_ID | {"content": _text_or_list},
    "STATE_SNAPSHOT": {"snapshot": _anything},
    "STATE_DELTA": {"delta": _list_of(_patch_operation)},
    "MESSAGES_SNAPSHOT": {"messages": _list_of(_message)},
    "ACTIVITY_SNAPSHOT": _ID | {"activityType": _text, "content": _object},
    "ACTIVITY_DELTA": _ID | {"activityType": _text, "patch": _list_of(_patch_operation)},
    "RAW": {"event": _anything},
    "CUSTOM": {"name": _text, "value": _anything},
    "RUN_STARTED": _RUN,
    "RUN_FINISHED": _RUN,
    "RUN_ERROR": {"message": _text},
    "STEP_STARTED": {"stepName": _text},
    "STEP_FINISHED": {"stepName": _text},
    "REASONING_START": _ID,
    "REASONING_END": _ID,
    "REASONING_MESSAGE_START": _ID,
    "REASONING_MESSAGE_CONTENT": _ID | _DELTA,
    "REASONING_MESSAGE_END": _ID,
    "REASONING_ENCRYPTED_VALUE": {
        "subtype": _one_of("tool-call", "message"),
        "entityId": _text,
        "encryptedValue": _text,
    },
    "SUBAGENT_STARTED": _SUBAGENT | {"name": _text},
    "SUBAGENT_FINISHED": _SUBAGENT,
    "SUBAGENT_ERROR": _SUBAGENT | {"message": _text},
    "THINKING_TEXT_MESSAGE_CONTENT": _DELTA,
}
_OPTIONAL: Final[dict[str, dict[str, Check]]] = {
    "TEXT_MESSAGE_START": {"role": _ROLE, "name": _text},
    "TEXT_MESSAGE_CHUNK": _ID | _DELTA | {"role": _ROLE, "name": _text},
    "TOOL_CALL_START": {"parentMessageId": _text},
    "TOOL_CALL_CHUNK": _CALL_ID | _DELTA | {"toolCallName": _text, "parentMessageId": _text},
    "TOOL_CALL_RESULT": {"role": _one_of("tool")},
    "ACTIVITY_SNAPSHOT": {"replace": _boolean},
    "RAW": {"source": _text},
    "RUN_STARTED": {"protocolVersion": _text, "parentRunId": _text, "input": _INPUT},
    "RUN_FINISHED": {"outcome": _outcome, "usage": _usage},
    "RUN_ERROR": {"code": _text, "usage": _usage},
    "REASONING_MESSAGE_START": {"role": _one_of("reasoning")},
    "REASONING_MESSAGE_CHUNK": _ID | _DELTA,
    "SUBAGENT_STARTED": {
        "description": _text,
        "parentSubagentRunId": _text,
        "parentToolCallId": _text,
        "parentMessageId": _text,
    },
    "SUBAGENT_FINISHED": {"outcome": _outcome},
    "SUBAGENT_ERROR": {"code": _text},
}
_BARE: Final[dict[str, Check]] = {"rawEvent": _anything, "result": _anything}
"""Optional fields that take any value but null."""
REQUIRED: Final = {name: tuple(_REQUIRED.get(name, {}).items()) for name in TYPES}
OPTIONAL: Final = {name: _BARE | _COMMON | _TAG | _OPTIONAL.get(name, {}) for name in TYPES}


def problem_in(event_type: str, fields: Fields) -> Problem | None:
    """What is wrong with the fields of an event; None if nothing is. `null` counts as absent in an optional field."""
    overlooked = None
    for name, test in REQUIRED[event_type]:
        value = fields.get(name, _MISSING)
        if value is _MISSING and test is _anything:
            overlooked = Problem(Rule.MALFORMED, f"{event_type}: {name} is missing", ONLY_V1)
        elif value is _MISSING:
            return Problem(Rule.MALFORMED, f"{event_type}: {name} is missing")
        elif not test(value):
            # 0.0.59 does not look into patches: it says that one does not fit, and goes on
            is_patch = type(value) is list and name in ("patch", "delta")
            overlooked = _not_allowed(event_type, name, ONLY_V1 if is_patch else BOTH)
            if not is_patch:
                return overlooked
    optional = OPTIONAL[event_type]
    for name, value in fields.items():
        if value is not None and name in optional and not optional[name](value):
            if name != "runId":
                return _not_allowed(event_type, name, BOTH)
            overlooked = overlooked or _not_allowed(event_type, name, ())  # it is ours: clients do not look at it
    return overlooked


def _not_allowed(event_type: str, name: str, stops: tuple[Generation, ...]) -> Problem:
    return Problem(Rule.MALFORMED, f"{event_type}: {name} has a value that AG-UI does not allow", stops)


def nulls_in(event_type: str, fields: Fields) -> tuple[str, ...]:
    """The optional fields that are null: clients of both generations stop at most of them."""
    if None not in fields.values():
        return ()
    optional = OPTIONAL[event_type]
    return tuple(name for name, value in fields.items() if value is None and name in optional)


def known_fields(event_type: str) -> frozenset[str]:
    """The fields that AG-UI knows in an event of this type."""
    return frozenset(("type", *_REQUIRED.get(event_type, {}), *OPTIONAL[event_type])) - (
        frozenset() if event_type in ("RUN_STARTED", "RUN_FINISHED") else frozenset(("runId",))
    )
