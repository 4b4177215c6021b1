"""Makes START, CONTENT and END of events that stand for them: chunks, and the THINKING events of old agents."""

from typing import Final, NamedTuple

from websocket_handler.logs.runs.events import Event
from websocket_handler.logs.runs.open_runs import Key, Run
from websocket_handler.logs.runs.problems import ONLY_V0, ONLY_V1, Problem, Rule
from websocket_handler.logs.runs.vocabulary import CHUNKS, OUR_NAMES, THINKING, Fields, Kind

_CHUNK_GOES_ON: Final = frozenset(
    ("RAW", "ACTIVITY_SNAPSHOT", "ACTIVITY_DELTA", "REASONING_ENCRYPTED_VALUE", "SUBAGENT_STARTED")
)
"""Events that may come between two chunks of one message."""
_OF_RUN: Final = frozenset(("RUN_STARTED", "RUN_FINISHED", "RUN_ERROR", "MESSAGES_SNAPSHOT"))
"""Events that end what the chunks of all subagents have opened."""
_AGREED: Final = {Kind.TEXT: ("role", "name"), Kind.CALL: ("toolCallName", "parentMessageId"), Kind.REASONING: ()}
"""Fields of the first chunk that later ones may repeat, and not change."""
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


class Expansion(NamedTuple):
    """What an event stands for, and the rule that it broke."""

    events: tuple[Event, ...]
    problem: Problem | None = None


def expand(run: Run | None, event: Event) -> Expansion | None:
    """The events that an event of this run stands for; None for most events, which stand for themselves."""
    if event.type in CHUNKS:
        return _expand_chunk(run, event, CHUNKS[event.type])
    if event.type in THINKING:
        return _expand_thinking(run, event)
    if run is None or not run.chunks or event.type in _CHUNK_GOES_ON or _is_said_aside(event):
        return None
    lanes = list(run.chunks) if event.type in _OF_RUN else [event.fields.get("subagentRunId")]
    return Expansion((*(end_of(run.chunks[lane], event.offset) for lane in lanes if lane in run.chunks), event))


def _is_said_aside(event: Event) -> bool:
    """True for our own words about a run: they come at any time, and belong to no message."""
    return event.type == "CUSTOM" and event.fields["name"].startswith(OUR_NAMES)


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


def chunk_after(run: Run, event: Event, expansion: Expansion) -> None:
    """Note what the chunks of a run have opened, after all events of the expansion were judged."""
    if event.type in CHUNKS and expansion.events:
        kind = CHUNKS[event.type]
        last = expansion.events[-1].fields
        key = (kind, last["toolCallId" if kind is Kind.CALL else "messageId"], None)
        if key in run.open:
            run.chunks[last.get("subagentRunId")] = key
    for lane in [lane for lane, key in run.chunks.items() if key not in run.open]:
        del run.chunks[lane]


def _lane(run: Run, event: Event, kind: Kind, named: str | None) -> str | None:
    """The subagent whose chunk this is: it may leave out its id, or its subagent, or both."""
    tag: str | None = event.fields.get("subagentRunId")
    for lane, key in run.chunks.items():
        if named is not None and key[:2] == (kind, named):
            return lane
    if named is not None or tag is not None or run.chunks.get(None, (None,))[0] == kind:
        return tag
    lanes = [lane for lane, key in run.chunks.items() if key[0] == kind]
    return lanes[0] if len(lanes) == 1 else None


def _expand_chunk(run: Run | None, event: Event, kind: Kind) -> Expansion:
    fields, offset = event.fields, event.offset
    field = "toolCallId" if kind is Kind.CALL else "messageId"
    named = fields.get(field)
    lane = _lane(run, event, kind, named) if run is not None else None
    open_now = run.chunks.get(lane) if run is not None else None
    goes_on = open_now is not None and open_now[0] == kind and named in (None, open_now[1])
    thing = open_now[1] if goes_on and open_now else named
    if thing is None:
        return Expansion((), Problem(Rule.BAD_CHUNK, f"the first {event.type} has no {field}"))
    events: list[Event] = []
    problem = None
    if goes_on and run is not None and open_now is not None:
        problem = _disagreement(run.open[open_now], event, kind)
    else:
        if kind is Kind.CALL and "toolCallName" not in fields:
            return Expansion((), Problem(Rule.BAD_CHUNK, f"the first {event.type} has no toolCallName"))
        if open_now is not None:
            events.append(end_of(open_now, offset))
        start = {"type": _STARTS[kind], field: thing} | {name: fields[name] for name in _OF_START if name in fields}
        if kind is not Kind.CALL:
            start["role"] = "reasoning" if kind is Kind.REASONING else fields.get("role", "assistant")
        events.append(Event(_STARTS[kind], start, offset))
    if "delta" in fields or (goes_on and "metadata" in fields):
        content: Fields = {"type": _CONTENTS[kind], field: thing, "delta": fields.get("delta", "")}
        content |= {"subagentRunId": lane} if lane is not None else {}
        content |= {"metadata": fields["metadata"]} if "metadata" in fields else {}
        events.append(Event(_CONTENTS[kind], content, offset))
    return Expansion(tuple(events), problem)


def _disagreement(kept: Fields, event: Event, kind: Kind) -> Problem | None:
    for name in _AGREED[kind]:
        said, said_first = event.fields.get(name), kept.get(name)
        if said is not None and said != said_first:
            return Problem(Rule.BAD_CHUNK, f"{event.type}: {name} is not that of the first chunk", ONLY_V1)
    return None


def _expand_thinking(run: Run | None, event: Event) -> Expansion:
    """THINKING events have no ids: they get the run's id and a number."""
    if run is None:
        return Expansion((), Problem(Rule.NO_RUN, f"{event.type} while no run is open"))
    ends_span, is_span = event.type == "THINKING_END", event.type in ("THINKING_START", "THINKING_END")
    starts = event.type in ("THINKING_START", "THINKING_TEXT_MESSAGE_START")
    problem = None
    if starts:  # clients of 1.0 give new ids without a look
        if (run.span if is_span else run.thought) is not None or (not is_span and run.span is None):
            problem = Problem(Rule.ALREADY_OPEN, f"{event.type} out of place", ONLY_V0)
        run.thoughts += 1
    thing = f"{run.run_id}/thinking/{run.thoughts}" if starts else run.span if is_span else run.thought
    if thing is None:
        return Expansion((), Problem(Rule.NOT_OPEN, f"{event.type} while nothing of the kind is open"))
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
    return Expansion((Event(event_type, fields, event.offset),), problem)
