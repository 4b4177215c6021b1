"""Makes START, CONTENT and END of events that stand for them: chunks, and the THINKING events of old agents."""

from typing import Final

from websocket_handler.logs.runs.events import Event
from websocket_handler.logs.runs.open_runs import Key, Run
from websocket_handler.logs.runs.vocabulary import CHUNKS, SUBAGENTS, THINKING, Fields, Kind

_CHUNK_GOES_ON: Final = SUBAGENTS | frozenset(
    ("RAW", "ACTIVITY_SNAPSHOT", "ACTIVITY_DELTA", "REASONING_ENCRYPTED_VALUE")
)
"""Events that may come between two chunks of one message."""
_ENDS: Final = {
    Kind.TEXT: ("TEXT_MESSAGE_END", "messageId"),
    Kind.CALL: ("TOOL_CALL_END", "toolCallId"),
    Kind.REASONING: ("REASONING_MESSAGE_END", "messageId"),
    Kind.SPAN: ("REASONING_END", "messageId"),
    Kind.STEP: ("STEP_FINISHED", "stepName"),
    Kind.SUBAGENT: ("SUBAGENT_ERROR", "subagentRunId"),
}
_STARTS: Final = {
    Kind.TEXT: "TEXT_MESSAGE_START",
    Kind.CALL: "TOOL_CALL_START",
    Kind.REASONING: "REASONING_MESSAGE_START",
}
_CONTENTS: Final = {
    Kind.TEXT: "TEXT_MESSAGE_CONTENT",
    Kind.CALL: "TOOL_CALL_ARGS",
    Kind.REASONING: "REASONING_MESSAGE_CONTENT",
}
_OF_START: Final = ("role", "name", "toolCallName", "parentMessageId", "subagentRunId", "metadata", "timestamp")
Expanded = tuple[Event, ...] | str
"""The events that one event stands for, or what is wrong with it."""


def expand(run: Run | None, event: Event) -> Expanded:
    """The events that an event of this run stands for: mostly itself."""
    if event.type in CHUNKS:
        return _expand_chunk(run.chunk if run else None, event, CHUNKS[event.type])
    if event.type in THINKING:
        return _expand_thinking(run, event) if run else "a THINKING event while no run is open"
    if run is None or run.chunk is None or event.type in _CHUNK_GOES_ON:
        return (event,)
    return (end_of(run.chunk, event.offset), event)


def end_of(key: Key, offset: int = 0) -> Event:
    """The event that closes something."""
    kind, thing, owner = key
    event_type, field = _ENDS[Kind(kind)]
    fields: Fields = {"type": event_type, field: thing}
    if kind == Kind.STEP and owner is not None:
        fields["subagentRunId"] = owner
    if kind == Kind.SUBAGENT:
        fields["message"] = "the run ended before this subagent"
    return Event(event_type, fields, offset)


def chunk_after(run: Run, event: Event, expanded: tuple[Event, ...]) -> None:
    """Note what the chunks of a run have opened, after all expanded events were judged."""
    if event.type in CHUNKS:
        kind = CHUNKS[event.type]
        field = "toolCallId" if kind is Kind.CALL else "messageId"
        key = next(((kind, each.fields[field], None) for each in reversed(expanded) if field in each.fields), run.chunk)
        run.chunk = key if key in run.open else None
    elif run.chunk is not None and event.type not in _CHUNK_GOES_ON:
        run.chunk = None


def _expand_chunk(open_now: Key | None, event: Event, kind: Kind) -> Expanded:
    fields, offset = event.fields, event.offset
    field = "toolCallId" if kind is Kind.CALL else "messageId"
    named = fields.get(field)
    goes_on = open_now is not None and open_now[0] == kind and named in (None, open_now[1])
    thing = open_now[1] if goes_on and open_now else named
    if thing is None:
        return f"the first {event.type} has no {field}"
    events: list[Event] = []
    if not goes_on:
        if kind is Kind.CALL and "toolCallName" not in fields:
            return f"the first {event.type} has no toolCallName"
        if open_now is not None:
            events.append(end_of(open_now, offset))
        start = {"type": _STARTS[kind], field: thing} | {name: fields[name] for name in _OF_START if name in fields}
        if kind is not Kind.CALL:
            start["role"] = "reasoning" if kind is Kind.REASONING else fields.get("role", "assistant")
        events.append(Event(_STARTS[kind], start, offset))
    if "delta" in fields:
        content: Fields = {"type": _CONTENTS[kind], field: thing, "delta": fields["delta"]}
        if goes_on and "metadata" in fields:
            content["metadata"] = fields["metadata"]
        events.append(Event(_CONTENTS[kind], content, offset))
    return tuple(events)


def _expand_thinking(run: Run, event: Event) -> Expanded:
    """THINKING events have no ids: they get the run's id and a number."""
    ends_span, is_span = event.type == "THINKING_END", event.type in ("THINKING_START", "THINKING_END")
    starts = event.type in ("THINKING_START", "THINKING_TEXT_MESSAGE_START")
    if starts:
        run.thoughts += 1
    thing = f"{run.run_id}/thinking/{run.thoughts}" if starts else run.span if is_span else run.thought
    if thing is None:
        return f"{event.type} while nothing of the kind is open"
    if is_span:
        run.span = None if ends_span else thing
    else:
        run.thought = None if event.type == "THINKING_TEXT_MESSAGE_END" else thing
    event_type = THINKING[event.type]
    fields: Fields = {"type": event_type, "messageId": thing}
    if event_type == "REASONING_MESSAGE_START":
        fields["role"] = "reasoning"
    if "delta" in event.fields:
        fields["delta"] = event.fields["delta"]
    return (Event(event_type, fields, event.offset),)
