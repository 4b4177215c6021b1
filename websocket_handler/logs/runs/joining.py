"""The shortest list of events with which a client joins a run: what is there, and what is open. The tail follows it.

The events are those of AG-UI 1.0, as objects. `client_stream.py` makes them what a client of a generation takes.
"""

from typing import Final

from websocket_handler.logs.runs.fold import NO_STATE, Fold
from websocket_handler.logs.runs.open_runs import Key, Run
from websocket_handler.logs.runs.vocabulary import Fields, Kind


def current_run(fold: Fold) -> str | None:
    """The open run that started last; None if the project is idle."""
    return next(reversed(fold.runs.runs), None)


def joining_events(fold: Fold, run_id: str, *, is_expected: bool = False) -> list[Fields]:
    """The events for a client that joins the run `run_id`.

    If it has ended, the list ends as it did. If nothing is known of it, the list ends with RUN_FINISHED and what people
    are still asked, so that the client shows the messages and no more comes; unless the run `is_expected`: its task is
    in a queue. The list shares its values with the fold: encode it before the next event.
    """
    run = fold.runs.runs.get(run_id)
    opened = list(run.open.items()) if run is not None else []
    gone = [each for each in opened if _is_gone(fold, each[0])]
    gone.sort(key=lambda each: each[0][0] != Kind.REASONING)  # reasoning borrows its id, which a text may have, too
    lost = [each for key, kept in gone if run for each in _lost(fold, run, key, kept)]
    again = [start_of(fold, run, key, kept) for key, kept in opened if run and not _is_gone(fold, key)]
    events: list[Fields] = [{"type": "RUN_STARTED", "threadId": fold.project_id, "runId": run_id}]
    events += lost  # the next event takes their messages away, so that clients have them open and show nothing
    events.append({"type": "MESSAGES_SNAPSHOT", "messages": fold.messages.data()})
    if fold.state is not NO_STATE:
        events.append({"type": "STATE_SNAPSHOT", "snapshot": fold.state})
    if run is not None:
        return events + again
    if run_id in fold.ends.ended or not is_expected:
        events.append(end_of_run(fold, run_id))
    return events


def _is_gone(fold: Fold, key: Key) -> bool:
    """True if something is open, and no message is there that clients could show it in."""
    return fold.messages.is_lost(key) and (key[0] == Kind.CALL or fold.messages.find(key[1]) is None)


def _lost(fold: Fold, run: Run, key: Key, kept: Fields) -> list[Fields]:
    """The events that open a thing whose message the next snapshot takes away. Clients keep a message of reasoning, so
    they get none: it is opened under the id of a text."""
    start = start_of(fold, run, key, kept)
    if key[0] != Kind.REASONING:
        return [start]
    text = {"type": "TEXT_MESSAGE_START", "messageId": key[1], "role": "assistant"}
    return [text, {"type": "TEXT_MESSAGE_END", "messageId": key[1]}, start]


def start_of(fold: Fold, run: Run, key: Key, kept: Fields) -> Fields:
    """The event that opens a thing once more. It has no subagent: the message in the snapshot has it."""
    kind, thing, owner = key
    if kind == Kind.TEXT:
        event = {"type": "TEXT_MESSAGE_START", "messageId": thing, "role": kept.get("role", "assistant")}
        return event | ({"name": kept["name"]} if "name" in kept else {})
    if kind == Kind.CALL:
        return {"type": "TOOL_CALL_START", "toolCallId": thing} | _place_of_call(fold, thing, kept)
    if kind == Kind.REASONING:
        return {"type": "REASONING_MESSAGE_START", "messageId": thing, "role": "reasoning"}
    if kind == Kind.SPAN:
        return {"type": "REASONING_START", "messageId": thing}
    if kind == Kind.STEP:
        event = {"type": "STEP_STARTED", "stepName": thing}
        return event if owner is None else event | {"subagentRunId": owner}
    parent = kept.get("parentSubagentRunId")
    knows_parent = parent is not None and (Kind.SUBAGENT, parent, None) in run.open
    return {"type": "SUBAGENT_STARTED"} | {
        name: value for name, value in kept.items() if name != "parentSubagentRunId" or knows_parent
    }


def _place_of_call(fold: Fold, thing: str, kept: Fields) -> Fields:
    """Name and message of an open tool call. Clients take the name, so it is the one that the message has by now: a
    snapshot of messages may have renamed the call since it started."""
    found = fold.messages.find_call(thing)
    if found is None:
        return {"toolCallName": kept["toolCallName"], "parentMessageId": f"{thing}/gone"}
    message, call = found
    return {"toolCallName": call["function"]["name"], "parentMessageId": message.data["id"]}


_OURS: Final = frozenset(("runId", "agent", "askedOffset"))
"""What the gateway notes beside what AG-UI has in an interrupt."""


def end_of_run(fold: Fold, run_id: str) -> Fields:
    """The event that says how a run ended. It asks what people are still asked."""
    end = fold.ends.ended.get(run_id)
    if end is not None and end["outcome"] == "error":
        return {"type": "RUN_ERROR"} | {name: end[name] for name in ("message", "code") if name in end}
    event: Fields = {"type": "RUN_FINISHED", "threadId": fold.project_id, "runId": run_id}
    asked = [
        {name: value for name, value in each.items() if name not in _OURS}
        for each in fold.ends.interrupts.values()
        if end is None or each["runId"] == run_id
    ]
    if asked:
        event["outcome"] = {"type": "interrupt", "interrupts": asked}
    elif end is not None and end["outcome"] == "cancelled":
        event["outcome"] = {"type": "cancelled"}
    return event
