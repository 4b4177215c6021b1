"""Folds the events of a project's runs into what AG-UI clients would show: messages, state, what is open, interrupts.

`Fold` follows the rules of AG-UI 1.0's own client. An event that breaks them, or that is too much, is left out and
answered with the reason; nothing that a publisher sends raises. It knows no time and no I/O.
"""

from typing import Any, Final, NamedTuple

from websocket_handler.logs.runs import chunks, patch
from websocket_handler.logs.runs.ends import Ends
from websocket_handler.logs.runs.events import Event, Malformed, Other, event_of, read_event
from websocket_handler.logs.runs.limits import FoldLimits
from websocket_handler.logs.runs.messages import Full, Message, Messages, merged
from websocket_handler.logs.runs.open_runs import Key, OpenRuns, Run
from websocket_handler.logs.runs.owners import owner_problem
from websocket_handler.logs.runs.problems import ONLY_V0, Problem, Rule
from websocket_handler.logs.runs.shapes import ROLES
from websocket_handler.logs.runs.vocabulary import ANSWERED, DECIDED, Fields, Kind

_DECISIONS: Final = frozenset((ANSWERED, DECIDED))
NO_STATE: Final = object()
"""There was no STATE_SNAPSHOT and no STATE_DELTA yet."""


class Folded(NamedTuple):
    """What became of an event."""

    run_id: str | None
    """The run that it belongs to; None if there is none."""
    problems: tuple[Problem, ...] = ()
    """The rules that it broke: what a referee reports."""
    counts: bool = True
    """False if it was left out of the fold."""

    @property
    def problem(self) -> Problem | None:
        """The first rule that it broke."""
        return self.problems[0] if self.problems else None


class Fold:
    """The fold of one project's log. `offset` is that of the last publication that it has seen."""

    __slots__ = ("_is_single", "_limits", "ends", "messages", "offset", "project_id", "runs", "state", "state_is_full")

    def __init__(self, project_id: str, limits: FoldLimits | None = None, *, is_single: bool = False) -> None:
        """`is_single`: the events are no log of a project, but one stream to one client: one run follows another."""
        self._limits = limits or FoldLimits()
        self._is_single = is_single
        self.project_id = project_id
        self.offset = 0
        self.messages = Messages(self._limits)
        self.state: Any = NO_STATE
        self.state_is_full = False
        """True if a change of the state was left out because the state would have become too large."""
        self.runs = OpenRuns(self._limits, is_single=is_single)
        self.ends = Ends(self._limits)

    @property
    def truncated(self) -> bool:
        """True if something is missing because there was no space for it."""
        return self.messages.truncated or self.state_is_full

    @property
    def is_under_way(self) -> bool:
        """True if a run is open, or if an agent has not got an answer yet."""
        return bool(self.runs.runs) or any(not each["is_sent"] for each in self.ends.decisions.values())

    def publication(self, payload: bytes) -> Folded | None:
        """Fold one publication as the log holds it. None if it is no event of a run, or was seen before."""
        return self._take(read_event(payload))

    def fields(self, fields: Fields) -> Folded | None:
        """The same for a publication that was read already."""
        return self._take(event_of(fields))

    def _take(self, event: Event | Malformed | Other) -> Folded | None:
        if event.offset:
            if event.offset <= self.offset:
                return None
            self.offset = event.offset
        if isinstance(event, Event):
            return self.event(event)
        if isinstance(event, Other):
            return _strange(event) if self._is_single else None
        if event.seen is None or not self._is_single:
            return Folded(None, (event.problem,), False)
        run_id, problems, counts = self.event(event.seen)
        return Folded(run_id, (event.problem, *problems), counts and not event.problem.stops)

    def event(self, event: Event) -> Folded:
        """Fold one event."""
        if event.type == "CUSTOM" and event.fields["name"] in _DECISIONS and not self._is_single:
            self.ends.decided(event.fields, self.offset)  # the run that asked is over, and no other one is meant
            return Folded(None, event.notes)
        run = self.runs.run_of(event)
        problem = self.runs.old_attempt(run, event)
        if problem is not None:
            return Folded(run.run_id if run is not None else None, (problem,), False)
        if run is not None:
            run.hear(event, self.offset)
        expansion = chunks.expand(run, event)
        if expansion is None:
            return self._fold(run, event)
        folded = [self._fold(run, each) for each in expansion.events]
        if run is not None:
            chunks.chunk_after(run, event, expansion)
        problems = event.notes if expansion.problem is None else (*event.notes, expansion.problem)
        run_id = folded[-1].run_id if folded else run.run_id if run is not None else None
        counts = any(each.counts for each in folded) or (not folded and expansion.problem is None)
        return Folded(run_id, sum((each.problems for each in folded), problems), counts)

    def _fold(self, run: Run | None, event: Event) -> Folded:
        problems = event.notes
        if run is not None and "subagentRunId" in event.fields:
            wrong_owner = owner_problem(self.messages, run, event)
            problems = problems if wrong_owner is None else (*problems, wrong_owner)
        run, problem, counts = self.runs.rule(run, event)
        run_id = run.run_id if run is not None else None
        if problem is not None:
            problems = (*problems, problem)
        if not counts:
            return Folded(run_id, problems, False)
        problem = self._have_effect(run, event)
        return Folded(run_id, problems) if problem is None else Folded(run_id, (*problems, problem), False)

    def _have_effect(self, run: Run | None, event: Event) -> Problem | None:
        """Returns why the event was left out; None if it was not."""
        self.messages.run_id = run.run_id if run is not None else None
        try:
            _EFFECTS[event.type](self, run, event.fields)
        except Full:
            return Problem(Rule.MESSAGES_FULL, "there is no space for this in the messages", ())
        except patch.PatchTooLarge:
            self.state_is_full = True
            return Problem(Rule.STATE_FULL, f"the state would have more than {self._limits.state_bytes} bytes", ())
        except patch.PatchFailed as error:
            return Problem(Rule.PATCH_FAILED, f"{event.type}: {error}", ())
        except _LeftOut as left_out:
            return Problem(left_out.rule, left_out.text, ())
        return None

    def _end_texts(self, run: Run | None) -> None:
        for key in run.open if run is not None else ():
            self.messages.stop(key)

    # Each of these is the effect of one type of event.

    def _text_start(self, _run: Run | None, fields: Fields) -> None:
        self._message_start((Kind.TEXT, fields["messageId"], None), fields, fields.get("role", "assistant"))

    def _reasoning_start(self, _run: Run | None, fields: Fields) -> None:
        self._message_start((Kind.REASONING, fields["messageId"], None), fields, "reasoning")

    def _message_start(self, key: Key, fields: Fields, role: str) -> None:
        message = self.messages.find(key[1])
        try:
            if message is None:
                data = {"id": key[1], "role": role, "content": ""}
                self.messages.add(data | _present(fields, "name", "subagentRunId", "metadata"))
            elif message.data["role"] == "activity":
                raise _LeftOut(Rule.WRONG_ROLE, f"the message {key[1][:64]!r} is an activity")
            else:
                self._merge(message, message.data, fields)
        finally:
            self.messages.grow(key)

    def _text_content(self, _run: Run | None, fields: Fields) -> None:
        self._append((Kind.TEXT, fields["messageId"], None), fields)

    def _reasoning_content(self, _run: Run | None, fields: Fields) -> None:
        self._append((Kind.REASONING, fields["messageId"], None), fields)

    def _append(self, key: Key, fields: Fields) -> None:
        if not self.messages.append(key, fields["delta"]):
            raise _LeftOut(Rule.NO_MESSAGE, f"there is no message {key[1][:64]!r}")
        if "metadata" in fields:
            self._merge_into(key, fields)

    def _text_end(self, _run: Run | None, fields: Fields) -> None:
        self._message_end((Kind.TEXT, fields["messageId"], None), fields)

    def _reasoning_end(self, _run: Run | None, fields: Fields) -> None:
        self._message_end((Kind.REASONING, fields["messageId"], None), fields)

    def _message_end(self, key: Key, fields: Fields) -> None:
        self.messages.stop(key)
        if "metadata" in fields:
            self._merge_into(key, fields)

    def _merge_into(self, key: Key, fields: Fields) -> None:
        message = self.messages.find(key[1])
        if message is not None and message.data["role"] != "activity":
            self._merge(message, message.data, fields)

    def _merge(self, message: Message, target: Fields, fields: Fields) -> None:
        if fields.get("metadata"):
            self.messages.update(message, target, {"metadata": merged(target, fields)})

    def _call_start(self, _run: Run | None, fields: Fields) -> None:
        call_id = fields["toolCallId"]
        found = self.messages.find_call(call_id)
        try:
            if found is not None:
                message, call = found
                function = call["function"]
                if function["name"] != fields["toolCallName"]:
                    self.messages.update(message, function, {"name": fields["toolCallName"]})
                self._merge(message, call, fields)
            else:
                call = {"id": call_id, "type": "function"}
                call["function"] = {"name": fields["toolCallName"], "arguments": ""}
                self.messages.add_call(self._message_of_call(fields), call | _present(fields, "metadata"))
        finally:
            self.messages.grow((Kind.CALL, call_id, None))

    def _message_of_call(self, fields: Fields) -> Message:
        """The assistant message that a tool call joins. There is a new one unless its parent is one."""
        parent = fields.get("parentMessageId") or fields["toolCallId"]
        message = self.messages.find(parent)
        if message is not None and message.data["role"] == "assistant" and "parentMessageId" in fields:
            return message
        message_id = fields["toolCallId"] if message is not None else parent
        while self.messages.find(message_id) is not None:  # clients make a second message of this id
            message_id += "/call"
        data = {"id": message_id, "role": "assistant", "toolCalls": []}
        return self.messages.add(data | _present(fields, "subagentRunId"))

    def _call_args(self, _run: Run | None, fields: Fields) -> None:
        key = (Kind.CALL, fields["toolCallId"], None)
        if not self.messages.append(key, fields["delta"]):
            raise _LeftOut(Rule.NO_MESSAGE, f"there is no tool call {key[1][:64]!r}")
        self._merge_into_call(fields)

    def _call_end(self, _run: Run | None, fields: Fields) -> None:
        self.messages.stop((Kind.CALL, fields["toolCallId"], None))
        self._merge_into_call(fields)

    def _merge_into_call(self, fields: Fields) -> None:
        if "metadata" in fields:
            found = self.messages.find_call(fields["toolCallId"])
            if found is not None:
                self._merge(*found, fields)

    def _call_result(self, _run: Run | None, fields: Fields) -> None:
        message = self.messages.find(fields["messageId"])
        if message is not None and message.data["role"] != "tool":
            raise _LeftOut(Rule.WRONG_ROLE, f"the message {fields['messageId'][:64]!r} is no result of a tool")
        data = {"id": fields["messageId"], "role": "tool", "toolCallId": fields["toolCallId"]}
        data |= {"content": fields["content"]} | _present(fields, "subagentRunId", "metadata")
        if message is not None:  # it came twice
            self.messages.update(message, message.data, data)
            return
        call = self.messages.find_call(fields["toolCallId"])
        self.messages.add(data, call[0] if call is not None else None)

    def _state_snapshot(self, _run: Run | None, fields: Fields) -> None:
        patch.fits(fields["snapshot"], self._limits.state_bytes)
        self.state = fields["snapshot"]

    def _state_delta(self, _run: Run | None, fields: Fields) -> None:
        self._check_length(fields["delta"])
        before = {} if self.state is NO_STATE else self.state
        self.state = patch.apply_patch(before, fields["delta"], self._limits.state_bytes)

    def _check_length(self, operations: list[Fields]) -> None:
        if len(operations) > self._limits.patch_operations:
            text = f"a patch has more than {self._limits.patch_operations} operations"
            raise _LeftOut(Rule.PATCH_TOO_LONG, text)

    def _messages_snapshot(self, _run: Run | None, fields: Fields) -> None:
        new = {each["id"]: _own(each) for each in fields["messages"]}
        roles = {each["role"] for each in new.values()}
        own = {"activity", "reasoning"} - roles  # roles that the publisher does not keep: clients keep theirs
        kept = [each for each in self.messages.list if each.data["role"] in own or each.data["id"] in new]
        self.messages.replace_all(kept, new)

    def _activity_snapshot(self, _run: Run | None, fields: Fields) -> None:
        message = self.messages.find(fields["messageId"])
        data = {"id": fields["messageId"], "role": "activity", "activityType": fields["activityType"]}
        data |= {"content": fields["content"]} | _present(fields, "subagentRunId")
        replaces = fields.get("replace", True)
        if message is None:
            self.messages.add(data | _present(fields, "metadata"))
        elif message.data["role"] == "activity":
            change = data | {"subagentRunId": fields.get("subagentRunId")} if replaces else {}
            self.messages.update(message, message.data, change)
            self._merge(message, message.data, fields)
        elif replaces:
            self.messages.become(message, data | _present(fields, "metadata"))

    def _activity_delta(self, _run: Run | None, fields: Fields) -> None:
        self._check_length(fields["patch"])
        message = self.messages.find(fields["messageId"])
        if message is None or message.data["role"] != "activity":
            raise _LeftOut(Rule.NO_MESSAGE, f"there is no activity {fields['messageId'][:64]!r}")
        self._merge(message, message.data, fields)
        content = patch.apply_patch(message.data["content"], fields["patch"], self._limits.message_bytes)
        self.messages.update(message, message.data, {"content": content, "activityType": fields["activityType"]})

    def _encrypted_value(self, _run: Run | None, fields: Fields) -> None:
        value = {"encryptedValue": fields["encryptedValue"]}
        if fields["subtype"] == "tool-call":
            found = self.messages.find_call(fields["entityId"])
            if found is not None:
                self.messages.update(*found, value)
            return
        message = self.messages.find(fields["entityId"])
        if message is not None and message.data["role"] != "activity":
            self.messages.update(message, message.data, value)

    def _run_started(self, _run: Run | None, fields: Fields) -> None:
        self.ends.started(fields)
        self.messages.run_id = None
        for data in (fields.get("input") or {}).get("messages", ()):
            if data.get("role") in ROLES and self.messages.find(data["id"]) is None:
                self.messages.add(_own(data))

    def _run_finished(self, run: Run | None, fields: Fields) -> None:
        self._end_texts(run)
        if not self.ends.finished(fields, self.offset):
            raise _LeftOut(Rule.TOO_MANY_INTERRUPTS, "there are too many open interrupts")

    def _run_error(self, run: Run | None, fields: Fields) -> None:
        self._end_texts(run)
        self.ends.failed(run.run_id if run is not None else None, fields, self.offset)

    def _custom(self, _run: Run | None, fields: Fields) -> None:
        self.ends.decided(fields)

    def _nothing(self, _run: Run | None, _fields: Fields) -> None:
        """The event opens or closes something, or is for the publisher's own clients."""


def _strange(event: Other) -> Folded:
    """In a stream to a client, everything is an event."""
    if isinstance(event.type, str) and event.type:
        problem = Problem(Rule.UNKNOWN_TYPE, f"{event.type[:64]!r} is no type of AG-UI", ONLY_V0)
    else:
        problem = Problem(Rule.UNKNOWN_TYPE, "an event has no type")
    return Folded(None, (problem,), False)


class _LeftOut(Exception):
    def __init__(self, rule: Rule, text: str) -> None:
        super().__init__(text)
        self.rule = rule
        self.text = text


def _present(fields: Fields, *names: str) -> Fields:
    return {name: fields[name] for name in names if name in fields}


def _own(message: Fields) -> Fields:
    """A message of an event as one of ours, whose texts may grow."""
    own = {name: value for name, value in message.items() if value is not None}
    if "toolCalls" in own:
        own["toolCalls"] = [{**call, "function": dict(call["function"])} for call in own["toolCalls"]]
    return own


_EFFECTS: Final = {
    "TEXT_MESSAGE_START": Fold._text_start,
    "TEXT_MESSAGE_CONTENT": Fold._text_content,
    "TEXT_MESSAGE_END": Fold._text_end,
    "TOOL_CALL_START": Fold._call_start,
    "TOOL_CALL_ARGS": Fold._call_args,
    "TOOL_CALL_END": Fold._call_end,
    "TOOL_CALL_RESULT": Fold._call_result,
    "STATE_SNAPSHOT": Fold._state_snapshot,
    "STATE_DELTA": Fold._state_delta,
    "MESSAGES_SNAPSHOT": Fold._messages_snapshot,
    "ACTIVITY_SNAPSHOT": Fold._activity_snapshot,
    "ACTIVITY_DELTA": Fold._activity_delta,
    "RAW": Fold._nothing,
    "CUSTOM": Fold._custom,
    "RUN_STARTED": Fold._run_started,
    "RUN_FINISHED": Fold._run_finished,
    "RUN_ERROR": Fold._run_error,
    "STEP_STARTED": Fold._nothing,
    "STEP_FINISHED": Fold._nothing,
    "REASONING_START": Fold._nothing,
    "REASONING_MESSAGE_START": Fold._reasoning_start,
    "REASONING_MESSAGE_CONTENT": Fold._reasoning_content,
    "REASONING_MESSAGE_END": Fold._reasoning_end,
    "REASONING_END": Fold._nothing,
    "REASONING_ENCRYPTED_VALUE": Fold._encrypted_value,
    "SUBAGENT_STARTED": Fold._nothing,
    "SUBAGENT_FINISHED": Fold._nothing,
    "SUBAGENT_ERROR": Fold._nothing,
}
