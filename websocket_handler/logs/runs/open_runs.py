"""The runs of a project that are open, and what is open in each: messages, tool calls, reasoning, steps, subagents.

It says to which run an event belongs, and if the event is in its place there. Events that are not leave no trace.
"""

from typing import Final, NamedTuple

from websocket_handler.logs.runs.events import Event
from websocket_handler.logs.runs.limits import FoldLimits
from websocket_handler.logs.runs.problems import ONLY_V1, Problem, Rule
from websocket_handler.logs.runs.vocabulary import (
    ACTS,
    BOTH,
    CHUNKS,
    QUEUED,
    SAID_BY_OTHERS,
    STALLED,
    Act,
    Fields,
    Generation,
    Kind,
    attempt_of,
)

Key = tuple[str, str, str | None]
"""What is open: its kind, its id, and for a step the subagent that runs it."""
_CHECKED_BY_V1_ONLY: Final = frozenset((Kind.REASONING, Kind.SPAN))
_KEPT: Final = (
    "role",
    "name",
    "toolCallName",
    "subagentRunId",
    "parentSubagentRunId",
    "parentToolCallId",
    "parentMessageId",
)
"""The fields of an event that opens something which its repetition needs."""
KNOWN_SUBAGENTS: Final = 64
"""Ended subagents of a run that are remembered: they do not start again, and others may name them as their parent."""


class Run:
    """A run that has started and not ended."""

    __slots__ = (
        "attempt",
        "chunks",
        "closed_subagents",
        "fine",
        "heard",
        "is_stalled",
        "is_waiting",
        "open",
        "run_id",
        "span",
        "started",
        "thought",
        "thoughts",
    )

    def __init__(self, run_id: str, started: int = 0, attempt: int = 1) -> None:
        self.run_id = run_id
        self.started = started
        """The offset of its RUN_STARTED."""
        self.attempt = attempt
        """Which attempt at its task this is. Events of an earlier one do not belong to it."""
        self.heard = started
        """The offset of the last event with which its agent kept the lease."""
        self.is_waiting = False
        """True while its task waits for an agent: nobody has the lease."""
        self.is_stalled = False
        """True from the event that says so until the agent is heard again."""
        self.open: dict[Key, Fields] = {}
        """What is open, in the order in which it was opened, with some fields of the event that opened it."""
        self.chunks: dict[str | None, Key] = {}
        """By subagent (None: the agent itself): what its chunks have opened, and its next other event closes."""
        self.span: str | None = None
        self.thought: str | None = None
        self.thoughts = 0
        """The ids of the open THINKING_START and THINKING_TEXT_MESSAGE_START, which have none, and their number."""
        self.closed_subagents: dict[str, None] = {}
        self.fine = Ruling(self, None, True)
        """The ruling on nearly every event: it is in its place."""

    def hear(self, event: Event, offset: int) -> None:
        """An event of the run, perhaps a wrong one: whoever says it is alive, unless it is said about the agent."""
        name = event.fields["name"] if event.type == "CUSTOM" else None
        if name == STALLED:
            self.is_stalled = True
        elif name not in SAID_BY_OTHERS:
            self.heard = offset
            self.is_waiting, self.is_stalled = name == QUEUED, False

    def copy(self) -> "Run":
        """The same run, for somebody who follows it alone."""
        run = Run(self.run_id, self.started, self.attempt)
        run.heard, run.is_waiting, run.is_stalled = self.heard, self.is_waiting, self.is_stalled
        run.open.update(self.open)
        run.chunks.update(self.chunks)
        run.span, run.thought, run.thoughts = self.span, self.thought, self.thoughts
        run.closed_subagents.update(self.closed_subagents)
        return run


class Ruling(NamedTuple):
    """What is to be thought of an event."""

    run: Run | None
    problem: Problem | None
    counts: bool
    """True if the event has its effect, in spite of a problem."""


def key_of(event: Event) -> Key | None:
    """What an event opens, continues or closes."""
    act = ACTS.get(event.type)
    if act is None:
        return None
    kind, _, field = act
    return (kind, event.fields[field], event.fields.get("subagentRunId") if kind is Kind.STEP else None)


class OpenRuns:
    """The open runs of one project, in the order in which they started."""

    __slots__ = ("_is_single", "_limits", "_where", "runs")

    def __init__(self, limits: FoldLimits, *, is_single: bool = False) -> None:
        """`is_single`: the events are one stream to one client, in which one run follows another."""
        self.runs: dict[str, Run] = {}
        self._where: dict[Key, Run] = {}
        self._limits = limits
        self._is_single = is_single

    def put(self, run: Run) -> None:
        """Add a run with all that is open in it."""
        self.runs[run.run_id] = run
        self._where.update(dict.fromkeys(run.open, run))

    def run_of(self, event: Event) -> Run | None:
        """The run of an event: the one that it names; or in which the thing that it names, or its subagent, is open;
        or the one that started last. None if there is none."""
        fields = event.fields
        named = fields.get("runId")
        if named is not None and (not self._is_single or event.type == "RUN_STARTED"):
            return self.runs.get(named)
        act = ACTS.get(event.type)
        if act is not None:
            kind, _, field = act
            run = self._where.get((kind, fields[field], fields.get("subagentRunId") if kind is Kind.STEP else None))
            if run is not None:
                return run
        if not self.runs:
            return None
        return self._run_of_surroundings(event)

    def _run_of_surroundings(self, event: Event) -> Run:
        tag = event.fields.get("subagentRunId")
        run = self._where.get((Kind.SUBAGENT, tag, None)) if tag is not None else None
        if run is None and event.type in CHUNKS:
            kind = CHUNKS[event.type]
            having = (each for each in self.runs.values() if any(key[0] == kind for key in each.chunks.values()))
            run = next(having, None)
        return run or next(reversed(self.runs.values()))

    def old_attempt(self, run: Run | None, event: Event) -> Problem | None:
        """What is wrong with an event of an attempt that is over."""
        if run is None or run.attempt == 1 or event.type == "RUN_STARTED":
            return None
        attempt = attempt_of(event.fields)
        is_said_by_others = event.type == "CUSTOM" and event.fields["name"] in SAID_BY_OTHERS
        if attempt >= run.attempt or is_said_by_others:
            return None
        text = f"{event.type} of attempt {attempt} of run {run.run_id}, which is in attempt {run.attempt}"
        return Problem(Rule.OLD_ATTEMPT, text, ())

    def rule(self, run: Run | None, event: Event) -> Ruling:
        """Judge an event of this run, and follow it. Chunks are expanded before."""
        act = ACTS.get(event.type)
        if act is None:
            return self._rule_on_others(run, event)
        if run is None:
            return _no_run(event)
        kind, action, field = act
        fields = event.fields
        thing = fields[field]
        key = (kind, thing, fields.get("subagentRunId") if kind is Kind.STEP else None)
        if action is Act.OPEN:
            return self._open(run, key, event)
        if key not in run.open:
            text = f"{event.type} of {_words(key)}, which is not open"
            return Ruling(run, Problem(Rule.NOT_OPEN, text, _stops(kind)), False)
        if action is Act.CLOSE:
            del run.open[key], self._where[key]
            if kind is Kind.SUBAGENT:
                _remember(run.closed_subagents, thing)
        return run.fine

    def _open(self, run: Run, key: Key, event: Event) -> Ruling:
        kind, thing, _ = key
        if key in self._where:
            text = f"{event.type} of {_words(key)}, which is open already"
            return Ruling(run, Problem(Rule.ALREADY_OPEN, text, _stops(kind)), False)
        if kind is Kind.SUBAGENT and thing in run.closed_subagents:
            text = f"SUBAGENT_STARTED of {thing[:64]!r}, which has ended"
            return Ruling(run, Problem(Rule.SUBAGENT_REUSED, text), False)
        kept: Fields = {name: event.fields[name] for name in _KEPT if name in event.fields}
        if any(len(value.encode()) > self._limits.id_bytes for value in (thing, *kept.values())):
            return _left_out(run, Rule.ID_TOO_LONG, f"an id or a name has more than {self._limits.id_bytes} bytes")
        if len(run.open) >= self._limits.open_things:
            return _left_out(run, Rule.TOO_MANY_OPEN, f"{self._limits.open_things} things are open in this run already")
        problem = _problem_of_subagent(run, event) if kind is Kind.SUBAGENT else None
        run.open[key] = kept
        self._where[key] = run
        return run.fine if problem is None else Ruling(run, problem, True)

    def _rule_on_others(self, run: Run | None, event: Event) -> Ruling:
        if event.type == "RUN_STARTED":
            return self._start(event)
        if event.type == "RUN_ERROR":  # clients take it at any time
            self.end(run)
            return Ruling(run, None, True)
        if event.type == "RUN_FINISHED":
            return self._finish(run, event)
        return run.fine if run is not None else _no_run(event)

    def _start(self, event: Event) -> Ruling:
        run_id = event.fields["runId"]
        if run_id in self.runs:
            return Ruling(self.runs[run_id], Problem(Rule.RUN_OPEN, f"run {run_id} has started already"), False)
        if len(run_id.encode()) > self._limits.id_bytes:
            return _left_out(None, Rule.ID_TOO_LONG, f"the id of a run has more than {self._limits.id_bytes} bytes")
        if len(self.runs) >= self._limits.open_runs:
            return _left_out(None, Rule.TOO_MANY_RUNS, f"{self._limits.open_runs} runs are open already")
        problem = None
        if self._is_single and self.runs:
            problem = Problem(Rule.RUN_OPEN, f"RUN_STARTED while run {next(iter(self.runs))} is open")
        run = Run(run_id, event.offset, attempt_of(event.fields))
        run.is_waiting = event.fields.get("queued") is True
        self.runs[run_id] = run
        return Ruling(run, problem, True)

    def _finish(self, run: Run | None, event: Event) -> Ruling:
        named = event.fields["runId"]
        if run is None:
            return Ruling(None, Problem(Rule.RUN_NOT_OPEN, f"RUN_FINISHED of run {named}, which is not open"), False)
        problem = None
        if run.open:
            stops = BOTH if any(key[0] not in _CHECKED_BY_V1_ONLY for key in run.open) else ONLY_V1
            text = "RUN_FINISHED while " + ", ".join(map(_words, list(run.open)[:8])) + " is open"
            problem = Problem(Rule.STILL_OPEN, text, stops)
        elif named != run.run_id:
            problem = Problem(Rule.RUN_NOT_OPEN, f"RUN_FINISHED names run {named}, and {run.run_id} is open", ())
        self.end(run)
        return Ruling(run, problem, True)

    def end(self, run: Run | None) -> None:
        """Close a run with all that is open in it."""
        if run is not None and self.runs.pop(run.run_id, None) is not None:
            for key in run.open:
                self._where.pop(key, None)


def _stops(kind: str) -> tuple[Generation, ...]:
    return ONLY_V1 if kind in _CHECKED_BY_V1_ONLY else BOTH


def _words(key: Key) -> str:
    return f"{key[0]} {key[1][:64]!r}"


def _left_out(run: Run | None, rule: Rule, text: str) -> Ruling:
    """The answer at a maximum of the gateway. Clients do not stop there: they do not get the event."""
    return Ruling(run, Problem(rule, text, ()), False)


def _no_run(event: Event) -> Ruling:
    named = event.fields.get("runId")
    text = f"{event.type} while no run is open" if named is None else f"{event.type} of run {named}, which is not open"
    return Ruling(None, Problem(Rule.NO_RUN, text), False)


def _problem_of_subagent(run: Run, event: Event) -> Problem | None:
    parent = event.fields.get("parentSubagentRunId")
    if parent is not None and (Kind.SUBAGENT, parent, None) not in run.open and parent not in run.closed_subagents:
        return Problem(Rule.UNKNOWN_PARENT, f"SUBAGENT_STARTED names the parent {parent[:64]!r}, which has not started")
    return None


def _remember(names: dict[str, None], name: str) -> None:
    names[name] = None
    if len(names) > KNOWN_SUBAGENTS:
        del names[next(iter(names))]
