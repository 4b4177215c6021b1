"""Which subagent a thing belongs to. A client stops at an event that names another one than its start did."""

from typing import Final

from websocket_handler.logs.runs.events import Event
from websocket_handler.logs.runs.messages import Messages
from websocket_handler.logs.runs.open_runs import Run
from websocket_handler.logs.runs.problems import Problem, Rule
from websocket_handler.logs.runs.vocabulary import ACTS, Act, Kind

_NOBODY: Final = object()
"""There is no such thing yet."""


def owner_problem(messages: Messages, run: Run, event: Event) -> Problem | None:
    """The problem of an event that names a subagent which does not own what the event is about. It is called before the
    event has its effect."""
    tag, owner = event.fields.get("subagentRunId"), _owner(messages, run, event)
    if tag is None or owner is _NOBODY or owner == tag:
        return None
    whose = "the agent itself" if owner is None else repr(owner)
    return Problem(Rule.WRONG_OWNER, f"{event.type} names the subagent {tag[:64]!r}: this belongs to {whose}")


def _owner(messages: Messages, run: Run, event: Event) -> object:
    fields, act = event.fields, ACTS.get(event.type)
    if event.type == "ACTIVITY_DELTA":
        return _of_message(messages, fields["messageId"])
    if event.type == "REASONING_ENCRYPTED_VALUE":
        is_call = fields["subtype"] == "tool-call"
        return _of_call(messages, run, fields["entityId"]) if is_call else _of_message(messages, fields["entityId"])
    if act is None or act[0] in (Kind.STEP, Kind.SUBAGENT):
        return _NOBODY
    kind, action, field = act
    thing = fields[field]
    if kind is Kind.CALL:
        known = _of_call(messages, run, thing)
        parent = fields.get("parentMessageId")
        if action is Act.OPEN and parent is not None and messages.find(parent) is not None:
            return _of_message(messages, parent)
        return known
    kept = run.open.get((kind, thing, None))
    return kept.get("subagentRunId") if kept is not None and action is not Act.OPEN else _of_message(messages, thing)


def _of_message(messages: Messages, message_id: str) -> object:
    message = messages.find(message_id)
    return message.data.get("subagentRunId") if message is not None else _NOBODY


def _of_call(messages: Messages, run: Run, call_id: str) -> object:
    kept = run.open.get((Kind.CALL, call_id, None))
    if kept is not None and "subagentRunId" in kept:
        return kept["subagentRunId"]
    found = messages.find_call(call_id)
    return found[0].data.get("subagentRunId") if found is not None else _NOBODY
