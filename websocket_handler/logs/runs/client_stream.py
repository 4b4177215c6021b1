"""What one AG-UI client gets of one run: first what is there, then each event, in a form at which it does not stop.

A client of either generation stops for good at the first event that is out of place. So it gets no such event: not what
the referee would report, and not what belongs to another run of the project.
"""

from typing import Final

import msgspec

from websocket_handler.logs.runs import chunks
from websocket_handler.logs.runs.events import Event, Malformed, Other, read_event
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.joining import joining_events
from websocket_handler.logs.runs.limits import FoldLimits
from websocket_handler.logs.runs.open_runs import OpenRuns, Run
from websocket_handler.logs.runs.problems import Rule
from websocket_handler.logs.runs.translation import translated
from websocket_handler.logs.runs.vocabulary import ALIVE, TERMINAL, UPDATE, Fields, Generation, Kind

_encode: Final = msgspec.json.encode
_KNOWN_MAX: Final = 4096
"""So many ids of messages and tool calls are remembered: their subagent is not told once more."""
_GO_ON: Final = frozenset(
    (
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
        "TOOL_CALL_ARGS",
        "TOOL_CALL_END",
        "REASONING_MESSAGE_CONTENT",
        "REASONING_MESSAGE_END",
        "REASONING_END",
        "REASONING_ENCRYPTED_VALUE",
        "ACTIVITY_DELTA",
    )
)
"""Events that go on with a thing. Clients stop if they name another subagent than its start did, and never if they
name none."""
_STARTS: Final = {
    "TEXT_MESSAGE_START": (Kind.TEXT, "messageId"),
    "REASONING_START": (Kind.REASONING, "messageId"),
    "REASONING_MESSAGE_START": (Kind.REASONING, "messageId"),
    "TOOL_CALL_START": (Kind.CALL, "toolCallId"),
}


class ClientStream:
    """The events of one run for one client."""

    __slots__ = ("_generation", "_has_started", "_known", "_project_id", "_run_id", "_runs", "_subagents", "ended")

    def __init__(self, generation: Generation, fold: Fold, run_id: str) -> None:
        """`fold` stands where the client does: at the position from which it goes on, or before the run."""
        self._generation = generation
        self._run_id = run_id
        self._project_id = fold.project_id
        self._has_started = False
        self._runs = OpenRuns(FoldLimits())
        for run in fold.runs.runs.values():
            self._runs.put(run.copy())
        self._known: dict[tuple[str, str], None] = {}
        self._subagents: dict[str, None] = {}
        self.ended = False
        """True after an event that ends the run. Only then may the stream end."""

    def begin(self) -> list[bytes]:
        """RUN_STARTED, for a client whose task is in a queue. The agent's own RUN_STARTED is left out later."""
        return _all_encoded(self._shown(Event("RUN_STARTED", {"type": "RUN_STARTED"})))

    def join(self, fold: Fold, *, is_expected: bool = False) -> list[bytes]:
        """The events for a client that has seen nothing of the run yet, each as JSON. The fold is the one that the
        stream was made of. `is_expected`: the task is in a queue, so a run that is unknown has not ended."""
        events = joining_events(fold, self._run_id, is_expected=is_expected)
        return [_encode(shown) for fields in events for shown in self._shown(Event(fields["type"], fields))]

    def resume(self, fold: Fold) -> None:
        """The client has seen the run up to where the fold stands, so it gets nothing twice."""
        self._has_started = True
        self._note(Event("MESSAGES_SNAPSHOT", {"messages": fold.messages.data()}))
        run = self._runs.runs.get(self._run_id)
        for kind, thing, _ in run.open if run is not None else ():
            if kind == Kind.SUBAGENT:
                self._subagents[thing] = None

    def publication(self, payload: bytes) -> list[bytes]:
        """The events that the client gets of one publication, each as JSON. Mostly one or none."""
        event = read_event(payload)
        if isinstance(event, Event):
            return _all_encoded(self.follow(event))
        return [update_event(payload)] if self.shows(event) else []

    def shows(self, event: Malformed | Other) -> bool:
        """True if the client is to see a publication that is no event of a run."""
        return isinstance(event, Other) and self._has_started and not self.ended

    def follow(self, event: Event) -> list[Fields]:
        """The events that the client gets of one event, as objects of AG-UI."""
        run = self._runs.run_of(event)
        is_only_alive = event.type == "CUSTOM" and event.fields["name"] == ALIVE
        if is_only_alive or self._runs.old_attempt(run, event) is not None:
            return []
        expansion = chunks.expand(run, event)
        shown: list[Fields] = []
        for each in (event,) if expansion is None else expansion.events:
            ruled, problem, counts = self._runs.rule(run, each)
            if ruled is None or ruled.run_id != self._run_id or not counts or self.ended:
                continue
            if problem is not None and problem.rule is Rule.STILL_OPEN:
                shown += self._ends(ruled)
            shown += self._shown(each)
        if run is not None and expansion is not None:
            chunks.chunk_after(run, event, expansion)
        return shown

    def _ends(self, run: Run) -> list[Fields]:
        """The ends of all that is open in a run that finishes."""
        return [shown for key in reversed(run.open) for shown in self._shown(chunks.end_of(key))]

    def _shown(self, event: Event) -> list[Fields]:
        fields = translated(event, self._generation)
        if event.type == "RUN_STARTED" and self._has_started:
            return []
        if fields["type"] in ("RUN_STARTED", "RUN_FINISHED"):  # of this thread and run, whatever an agent wrote
            self._has_started = True
            fields = fields | {"threadId": self._project_id, "runId": self._run_id}
        if "subagentRunId" in fields:
            fields = self._attributed(event.type, fields)
        self._note(event)
        self.ended = fields["type"] in TERMINAL
        return [fields]

    def _attributed(self, event_type: str, fields: Fields) -> Fields:
        """The event without its subagent, where clients could find that another one owns the thing."""
        parent = fields.get("parentSubagentRunId")
        if parent is not None and parent not in self._subagents:
            return _without(fields, "parentSubagentRunId")
        start = _STARTS.get(event_type)
        is_known = start is not None and (
            (start[0], fields[start[1]]) in self._known or (Kind.TEXT, fields.get("parentMessageId")) in self._known
        )
        return _without(fields, "subagentRunId") if is_known or event_type in _GO_ON else fields

    def _note(self, event: Event) -> None:
        fields = event.fields
        start = _STARTS.get(event.type)
        if start is not None:
            self._remember((start[0], fields[start[1]]))
            if event.type == "TOOL_CALL_START":
                self._remember((Kind.TEXT, fields.get("parentMessageId") or fields["toolCallId"]))
        elif event.type == "TOOL_CALL_RESULT":
            self._remember((Kind.TEXT, fields["messageId"]))
        elif event.type == "MESSAGES_SNAPSHOT":
            for message in fields["messages"]:
                self._remember((Kind.REASONING if message["role"] == "reasoning" else Kind.TEXT, message["id"]))
                for call in message.get("toolCalls") or ():
                    self._remember((Kind.CALL, call["id"]))
        elif event.type == "SUBAGENT_STARTED":
            self._subagents[fields["subagentRunId"]] = None

    def _remember(self, thing: tuple[str, str]) -> None:
        self._known[thing] = None
        if len(self._known) > _KNOWN_MAX:
            del self._known[next(iter(self._known))]


def custom_event(name: str, value: object) -> bytes:
    """An event of our own, which both generations take."""
    return _encode({"type": "CUSTOM", "name": name, "value": value})


def update_event(payload: bytes) -> bytes:
    """A publication that is no event of AG-UI, as an event that both generations take."""
    return b'{"type":"CUSTOM","name":"%b","value":%b}' % (UPDATE.encode(), payload)


def _all_encoded(events: list[Fields]) -> list[bytes]:
    return [_encode(fields) for fields in events]


def _without(fields: Fields, name: str) -> Fields:
    return {each: value for each, value in fields.items() if each != name}
