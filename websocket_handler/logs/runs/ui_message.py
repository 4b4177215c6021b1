"""One run in the form of the AI SDK's UI message stream, for `useChat`: the events of `ClientStream`, as its chunks.

A run is one step of one assistant message, and the message has the run's id. A run that goes on with the message of
another run has that run's id, `--`, and something of its own.

The client throws its stream away at a chunk that goes on with something unknown, so it gets no such chunk. What AG-UI
has and a UI message has not comes as data that is `transient`: it is for `onData`, and no part of the message.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from websocket_handler.logs.runs.client_stream import ClientStream
from websocket_handler.logs.runs.events import Event, read_event
from websocket_handler.logs.runs.fold import NO_STATE, Fold
from websocket_handler.logs.runs.joining import end_of_run
from websocket_handler.logs.runs.limits import FoldLimits
from websocket_handler.logs.runs.retelling import retold, retold_message
from websocket_handler.logs.runs.vocabulary import QUEUED, UPDATE, Fields, Generation

DONE: Final = b"[DONE]"
"""The last frame of a stream."""
GOES_ON: Final = "--"
"""Behind it stands what a run has of its own that goes on with the message of another one."""
LOST: Final = "the log no longer holds this run"
KNOWN_MAX: Final = 4096
"""So many calls and messages of a run are remembered. What comes for older ones is left out."""
INPUT_BYTES_MAX: Final = FoldLimits().message_bytes
_START_STEP: Final[Fields] = {"type": "start-step"}
_FINISH_STEP: Final[Fields] = {"type": "finish-step"}
_encode: Final = msgspec.json.encode
_decode: Final = msgspec.json.Decoder().decode


def message_of(run_id: str) -> str:
    """The id of the assistant message that a run writes."""
    return run_id.partition(GOES_ON)[0]


class _Call:
    """A tool call that the client knows."""

    __slots__ = ("is_open", "name", "pieces", "size")

    def __init__(self, name: str, *, is_whole: bool) -> None:
        self.name = name
        self.is_open = True
        self.pieces: list[str] | None = [] if is_whole else None
        """Its input so far; None if this stream has not all of it."""
        self.size = 0

    @property
    def is_too_large(self) -> bool:
        """True if the input is not kept because of its size."""
        return self.size > INPUT_BYTES_MAX

    def add(self, piece: str) -> None:
        """A piece of the input came."""
        self.size += len(piece)
        if self.is_too_large:
            self.pieces = None
        elif self.pieces is not None:
            self.pieces.append(piece)


class UiMessageStream:
    """The chunks of one run for one client."""

    def __init__(self, fold: Fold, run_id: str, look: Callable[[], Fold | None], *, is_whole: bool = False) -> None:
        """`fold` stands where the client does. `look` gives the newest fold, which stays as it is; None if there is
        none. If the stream `is_whole`, it begins with what earlier runs wrote into the same message."""
        self._events = ClientStream(Generation.V1, fold, run_id)
        self._run_id = run_id
        self.mark = f"/{quote(run_id, safe='')}"
        """Stands behind the position in the id of an event: whoever comes back names the run with it."""
        self._look = look
        self._texts: dict[tuple[str, str], None] = {}
        self._calls: dict[str, _Call] = {}
        self._told: dict[str, None] = {}
        earlier = self._earlier(fold)
        self._before = earlier if is_whole else []

    @property
    def ended(self) -> bool:
        """True after a chunk that ends the message."""
        return self._events.ended

    def resume(self, fold: Fold) -> None:
        """The client has got everything up to where the fold stands."""
        self._events.resume(fold)
        self._retell(fold, self._run_id)
        newest = self._look()
        for message in newest.messages.list if newest is not None else ():
            if message.run_id == self._run_id:
                self._tell(message.data["id"])

    def join(self, fold: Fold, *, has_begun: bool) -> list[bytes]:
        """What is there of the run, and its end if it is over. `has_begun`: the client has a part of the message, with
        which nobody can go on, so it begins the step anew."""
        self._events.resume(fold)
        is_open, end = self._run_id in fold.runs.runs, self._run_id in fold.ends.ended
        again: list[Fields] = [{"type": "reset-step"}] if is_open or end else []
        chunks = again if has_begun else self._beginning()
        chunks += self._retell(fold, self._run_id)
        if fold.state is not NO_STATE:
            chunks.append(_data("state", fold.state))
        if not is_open:
            last = end_of_run(fold, self._run_id) if end else {"type": "RUN_ERROR", "message": LOST}
            chunks += self._chunks(last)
            self._events.ended = True
        return self._encoded(chunks)

    def queued(self) -> bytes:
        """The task waits for an agent."""
        return _encode(_data(QUEUED, {"runId": self._run_id}))

    def publication(self, payload: bytes) -> list[bytes]:
        """The chunks that the client gets of one publication, each as JSON. Mostly one or none."""
        event = read_event(payload)
        if isinstance(event, Event):
            return self._encoded([chunk for fields in self._events.follow(event) for chunk in self._chunks(fields)])
        if not self._events.shows(event):
            return []
        return [b'{"type":"data-%b","transient":true,"data":%b}' % (UPDATE.encode(), payload)]

    def _encoded(self, chunks: Sequence[Fields]) -> list[bytes]:
        encoded = [_encode(chunk) for chunk in chunks]
        return [*encoded, DONE] if encoded and self.ended else encoded

    def _beginning(self) -> list[Fields]:
        return [{"type": "start", "messageId": message_of(self._run_id)}, *self._before, _START_STEP]

    def _earlier(self, fold: Fold) -> list[Fields]:
        """What other runs wrote into this message."""
        message_id, chunks = message_of(self._run_id), list[Fields]()
        for run_id in dict.fromkeys(message.run_id for message in fold.messages.list):
            if run_id is not None and run_id != self._run_id and message_of(run_id) == message_id:
                chunks += (_START_STEP, *self._retell(fold, run_id), _FINISH_STEP)
        return chunks

    def _retell(self, fold: Fold, run_id: str) -> list[Fields]:
        return self._told_again(retold(fold, run_id), fold)

    def _told_again(self, events: Iterable[Fields], fold: Fold) -> list[Fields]:
        """The chunks of messages that are there. A result comes behind its call, wherever it stands in the list."""
        chunks, results = list[Fields](), list[Fields]()
        for fields in events:
            if fields["type"] == "TOOL_CALL_RESULT" and fields["toolCallId"] not in self._calls:
                results.append(fields)
                continue
            chunks += self._chunks(fields)
            call_id = fields["toolCallId"] if fields["type"] == "TOOL_CALL_START" else None
            if call_id is not None and fold.messages.find_call(call_id) is None:
                self._calls[call_id].pieces = None  # its input so far is not there
        return chunks + [chunk for fields in results for chunk in self._chunks(fields)]

    def _tell(self, message_id: str) -> None:
        self._told[message_id] = None
        if len(self._told) > KNOWN_MAX:
            del self._told[next(iter(self._told))]

    def _chunks(self, fields: Fields) -> Sequence[Fields]:
        """The chunks that one event of AG-UI becomes."""
        effect = _EFFECTS.get(fields["type"])
        return effect(self, fields) if effect is not None else ()

    # Each of these is what a client gets of one type of event.

    def _run_started(self, _fields: Fields) -> Sequence[Fields]:
        return self._beginning()

    def _run_finished(self, fields: Fields) -> Sequence[Fields]:
        outcome = fields.get("outcome") or {}
        if outcome.get("type") == "cancelled":
            return [*self._ends(), {"type": "abort", "reason": "cancelled"}]
        asked = outcome.get("interrupts", ()) if outcome.get("type") == "interrupt" else ()
        reason = "tool-calls" if asked else "stop"
        return [*self._ends(), *map(self._asked, asked), _FINISH_STEP, {"type": "finish", "finishReason": reason}]

    def _run_error(self, fields: Fields) -> Sequence[Fields]:
        return [*self._ends(), {"type": "error", "errorText": fields["message"]}]

    def _ends(self) -> list[Fields]:
        ends: list[Fields] = [{"type": f"{prefix}-end", "id": text} for prefix, text in self._texts]
        self._texts.clear()
        return ends

    def _asked(self, interrupt: Fields) -> Fields:
        """What a person is asked. A client knows approvals of a tool call; everything else is data of the message."""
        call_id = interrupt.get("toolCallId")
        if call_id not in self._calls:
            return {"type": "data-interrupt", "id": interrupt["id"], "data": interrupt}
        reason = interrupt.get("message") or interrupt["reason"]
        return {"type": "tool-approval-request", "approvalId": interrupt["id"], "toolCallId": call_id, "reason": reason}

    def _text_start(self, fields: Fields) -> Sequence[Fields]:
        return self._begin("text", fields) if fields.get("role", "assistant") == "assistant" else ()

    def _reasoning_start(self, fields: Fields) -> Sequence[Fields]:
        return self._begin("reasoning", fields)

    def _begin(self, prefix: str, fields: Fields) -> Sequence[Fields]:
        self._texts[prefix, fields["messageId"]] = None
        self._tell(fields["messageId"])
        return ({"type": f"{prefix}-start", "id": fields["messageId"]},)

    def _text_content(self, fields: Fields) -> Sequence[Fields]:
        return self._go_on("text", fields)

    def _reasoning_content(self, fields: Fields) -> Sequence[Fields]:
        return self._go_on("reasoning", fields)

    def _go_on(self, prefix: str, fields: Fields) -> Sequence[Fields]:
        if not fields["delta"] or (prefix, fields["messageId"]) not in self._texts:
            return ()
        return ({"type": f"{prefix}-delta", "id": fields["messageId"], "delta": fields["delta"]},)

    def _text_end(self, fields: Fields) -> Sequence[Fields]:
        return self._end("text", fields)

    def _reasoning_end(self, fields: Fields) -> Sequence[Fields]:
        return self._end("reasoning", fields)

    def _end(self, prefix: str, fields: Fields) -> Sequence[Fields]:
        key = (prefix, fields["messageId"])
        if key not in self._texts:
            return ()
        del self._texts[key]
        return ({"type": f"{prefix}-end", "id": fields["messageId"]},)

    def _call_start(self, fields: Fields) -> Sequence[Fields]:
        call_id, name = fields["toolCallId"], fields["toolCallName"]
        call = _Call(name, is_whole=call_id not in self._calls)
        self._calls[call_id] = call
        self._tell(fields.get("parentMessageId") or call_id)
        if len(self._calls) > KNOWN_MAX:
            del self._calls[next(iter(self._calls))]
        return ({"type": "tool-input-start", "toolCallId": call_id, "toolName": name},)

    def _call_args(self, fields: Fields) -> Sequence[Fields]:
        call = self._known_call(fields["toolCallId"])
        if call is None or not call.is_open or not fields["delta"]:
            return ()
        call.add(fields["delta"])
        return ({"type": "tool-input-delta", "toolCallId": fields["toolCallId"], "inputTextDelta": fields["delta"]},)

    def _call_end(self, fields: Fields) -> Sequence[Fields]:
        call_id = fields["toolCallId"]
        call = self._known_call(call_id)
        if call is None or not call.is_open:
            return ()
        call.is_open = False
        named = {"toolCallId": call_id, "toolName": call.name}
        text = "".join(call.pieces) if call.pieces is not None else self._input_of(call_id)
        call.pieces = None
        if text is None or call.is_too_large:
            return ({"type": "tool-input-error", **named, "input": None, "errorText": "the input is too large"},)
        try:
            return ({"type": "tool-input-available", **named, "input": _decode(text or "{}")},)
        except (msgspec.DecodeError, RecursionError):
            return ({"type": "tool-input-error", **named, "input": text, "errorText": "the input is no JSON"},)

    def _call_result(self, fields: Fields) -> Sequence[Fields]:
        call = self._known_call(fields["toolCallId"])
        self._tell(fields["messageId"])
        if call is None:
            return ()
        call.is_open, call.pieces = False, None
        output = _output(fields["content"])
        return ({"type": "tool-output-available", "toolCallId": fields["toolCallId"], "output": output},)

    def _known_call(self, call_id: str) -> _Call | None:
        """A call that the client has. It may have begun before the client came back."""
        call = self._calls.get(call_id)
        newest = self._look() if call is None else None
        found = newest.messages.find_call(call_id) if newest is not None else None
        writer = found[0].run_id if found is not None else None
        if found is not None and writer is not None and message_of(writer) == message_of(self._run_id):
            call = self._calls[call_id] = _Call(found[1]["function"]["name"], is_whole=False)
        return call

    def _input_of(self, call_id: str) -> str | None:
        newest = self._look()
        if newest is None:
            return None
        newest.messages.data()  # texts that grow are joined
        found = newest.messages.find_call(call_id)
        return found[1]["function"]["arguments"] if found is not None else None

    def _activity(self, fields: Fields) -> Sequence[Fields]:
        newest, activity_id = self._look(), fields["messageId"]
        self._tell(activity_id)
        found = newest.messages.find(activity_id) if newest is not None else None
        data = found.data if found is not None and found.data["role"] == "activity" else fields
        if "content" not in data:
            return ()  # a change of something that is gone
        content = {"activityType": data["activityType"], "content": data["content"]}
        return ({"type": "data-activity", "id": activity_id, "data": content},)

    def _messages(self, fields: Fields) -> Sequence[Fields]:
        """Messages that nobody streamed. Those that the client has stay as they are."""
        newest = self._look()
        if newest is None:
            return ()
        found = [newest.messages.find(each["id"]) for each in fields["messages"] if each["id"] not in self._told]
        own = [message for message in found if message is not None and message.run_id == self._run_id]
        return self._told_again([told for message in own for told in retold_message(newest, message)], newest)

    def _state_snapshot(self, fields: Fields) -> Sequence[Fields]:
        return (_data("state", fields["snapshot"]),)

    def _state_delta(self, _fields: Fields) -> Sequence[Fields]:
        newest = self._look()
        return (_data("state", newest.state),) if newest is not None and newest.state is not NO_STATE else ()

    def _custom(self, fields: Fields) -> Sequence[Fields]:
        return (_data(fields["name"], fields["value"]),)

    def _step(self, fields: Fields) -> Sequence[Fields]:
        return (_data("step", {"type": fields["type"], "stepName": fields["stepName"]}),)

    def _subagent(self, fields: Fields) -> Sequence[Fields]:
        return (_data("subagent", fields),)


def _data(name: str, value: Any) -> Fields:
    """Data for `onData`, which is no part of the message."""
    return {"type": f"data-{name}", "transient": True, "data": value}


def _output(content: Any) -> Any:
    """The result of a tool: AG-UI has a text, which mostly is an object as JSON."""
    if type(content) is str and content[:1] in ("{", "["):
        try:
            return _decode(content)
        except (msgspec.DecodeError, RecursionError):
            return content
    return content


_EFFECTS: Final[dict[str, Callable[[UiMessageStream, Fields], Sequence[Fields]]]] = {
    "RUN_STARTED": UiMessageStream._run_started,
    "RUN_FINISHED": UiMessageStream._run_finished,
    "RUN_ERROR": UiMessageStream._run_error,
    "TEXT_MESSAGE_START": UiMessageStream._text_start,
    "TEXT_MESSAGE_CONTENT": UiMessageStream._text_content,
    "TEXT_MESSAGE_END": UiMessageStream._text_end,
    "REASONING_MESSAGE_START": UiMessageStream._reasoning_start,
    "REASONING_MESSAGE_CONTENT": UiMessageStream._reasoning_content,
    "REASONING_MESSAGE_END": UiMessageStream._reasoning_end,
    "TOOL_CALL_START": UiMessageStream._call_start,
    "TOOL_CALL_ARGS": UiMessageStream._call_args,
    "TOOL_CALL_END": UiMessageStream._call_end,
    "TOOL_CALL_RESULT": UiMessageStream._call_result,
    "ACTIVITY_SNAPSHOT": UiMessageStream._activity,
    "ACTIVITY_DELTA": UiMessageStream._activity,
    "MESSAGES_SNAPSHOT": UiMessageStream._messages,
    "STATE_SNAPSHOT": UiMessageStream._state_snapshot,
    "STATE_DELTA": UiMessageStream._state_delta,
    "CUSTOM": UiMessageStream._custom,
    "STEP_STARTED": UiMessageStream._step,
    "STEP_FINISHED": UiMessageStream._step,
    "SUBAGENT_STARTED": UiMessageStream._subagent,
    "SUBAGENT_FINISHED": UiMessageStream._subagent,
    "SUBAGENT_ERROR": UiMessageStream._subagent,
}
