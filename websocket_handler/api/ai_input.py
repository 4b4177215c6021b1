"""Reads what `useChat` of the AI SDK posts, and makes of it the input of a run as agents know it: AG-UI's.

The run's id comes from what is asked, so the same request means the same run. It is that of the assistant's message,
too.
"""

from collections.abc import Collection, Iterator, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from websocket_handler.api.agui_input import InputMessage, RunInput
from websocket_handler.logs.runs.ui_message import GOES_ON, message_of
from websocket_handler.logs.runs.vocabulary import Generation
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.names import MESSAGE_ID
from websocket_handler.protocol.publication import read_object

ANSWER: Final = "answer-"
"""With this and the id of the user's message begins the id of the run that answers it."""
NAMED_MAX: Final = 52
"""An id of the client that is longer than this, or has another form, is not part of the run's id; its hash is."""
AGAIN: Final = "regenerate-message"
ROLES: Final = ("user", "assistant", "system")
_PASSED_ON: Final = ("tools", "context", "state", "forwardedProps", "resume")
_MEDIA: Final = ("image", "audio", "video")
_encode: Final = msgspec.json.encode


class _Message(Struct, frozen=True):
    id: str
    role: str
    parts: list[Raw]


class _Kind(Struct, frozen=True):
    type: str


class _Text(Struct, frozen=True):
    text: str


class _File(Struct, frozen=True, rename="camel"):
    url: str
    media_type: str


class _Approval(Struct, frozen=True):
    id: str
    approved: bool | None = None
    reason: str | None = None


class _Tool(Struct, frozen=True, rename="camel"):
    tool_call_id: str
    state: str = ""
    tool_name: str = ""
    input: Raw | UnsetType = UNSET
    output: Raw | UnsetType = UNSET
    error_text: str = ""
    approval: _Approval | None = None


class _Body(Struct, frozen=True, rename="camel"):
    id: str | None = None
    messages: list[Raw] | UnsetType = UNSET
    message: Raw | UnsetType = UNSET
    trigger: str = ""
    agent: str | None = None
    run_id: str | None = None
    tools: Raw | UnsetType = UNSET
    context: Raw | UnsetType = UNSET
    state: Raw | UnsetType = UNSET
    forwarded_props: Raw | UnsetType = UNSET
    resume: Raw | UnsetType = UNSET


class ChatRequest(Struct, frozen=True):
    """What a client asks."""

    chat_id: str | None
    """The `id` of the chat; None if the body has none."""
    agent: str | None
    """The agent that the body names."""
    run_id: str
    """The run's id; that of a repetition has a number behind it."""
    is_again: bool
    """True if the same question is to be answered once more."""
    messages: Sequence[InputMessage]
    passed_on: dict[str, Raw]

    def repetitions(self) -> Iterator[str]:
        """The ids that this run may have, the first repetition first. Only one of them, if it is none."""
        if not self.is_again:
            yield self.run_id
            return
        number = 1
        while True:
            yield f"{self.run_id}-{number}"
            number += 1

    def run_input(self, project_id: str, run_id: str) -> RunInput:
        """The same as agents know it."""
        return RunInput(project_id, run_id, self.messages, Generation.V1, self.passed_on)

    def new_messages(self, asked: RunInput, held: Collection[str], answered: Collection[str]) -> list[Raw]:
        """The messages that the agent needs. `held` are the ids of messages that the project has, and of runs that
        wrote some; `answered` are the tool calls whose results it has."""
        known = {_result_id(call_id) for call_id in answered}
        messages = [each for each in asked.messages if each.id not in known]
        return msgspec.structs.replace(asked, messages=messages).new_messages(held)


def read_chat(body: bytes) -> ChatRequest:
    """Read the body of a request. Raises CommandError: `invalid_json`, `not_an_object`, `too_deep`, `duplicate_key`,
    `missing_field`, `invalid_field`."""
    read_object(body).fields()
    try:
        found = msgspec.json.decode(body, type=_Body)
        messages = _messages(found)
        read = [each for message in messages for each in _as_agents_know_it(message)]
        passed_on = {name: value for name in _PASSED_ON if isinstance(value := getattr(found, _snake(name)), Raw)}
        approvals = _approvals(messages[-1])
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        raise CommandError(ErrorCode.INVALID_FIELD, f"the request of a chat: {error}") from None
    if approvals and "resume" not in passed_on:
        passed_on["resume"] = Raw(_encode(approvals))
    is_again = found.trigger == AGAIN and found.run_id is None
    return ChatRequest(found.id, found.agent, _run_id(found.run_id, messages[-1]), is_again, read, passed_on)


def _messages(body: _Body) -> list[_Message]:
    """The chat; if the body has no `messages`, its last message alone. The one that is not used has to be right."""
    last = [msgspec.json.decode(body.message, type=_Message)] if isinstance(body.message, Raw) else []
    if isinstance(body.messages, UnsetType):
        messages = last
    else:
        messages = [msgspec.json.decode(each, type=_Message) for each in body.messages]
        for message in last:
            list(_as_agents_know_it(message))
    if not messages:
        raise CommandError(ErrorCode.MISSING_FIELD, "messages is missing, or empty")
    return messages


def _run_id(named: str | None, last: _Message) -> str:
    if named is not None:
        if MESSAGE_ID.fullmatch(named) is None:
            raise CommandError(ErrorCode.INVALID_FIELD, f"runId must be a string of the form {MESSAGE_ID.pattern}")
        return named
    if last.role != "assistant":
        return ANSWER + _part_of_id(last.id)
    message_id = last.id if _is_plain(message_of(last.id)) else ANSWER + _hash(last.id)
    parts = b"".join(bytes(part) for part in last.parts)
    return f"{message_of(message_id)}{GOES_ON}{sha256(parts).hexdigest()[:16]}"


def _part_of_id(text: str) -> str:
    return text if _is_plain(text) else _hash(text)


def _is_plain(text: str) -> bool:
    return len(text) <= NAMED_MAX + len(ANSWER) and GOES_ON not in text and MESSAGE_ID.fullmatch(text) is not None


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _snake(name: str) -> str:
    return "forwarded_props" if name == "forwardedProps" else name


def _as_agents_know_it(message: _Message) -> Iterator[InputMessage]:
    """A message of a chat as messages of AG-UI. Parts that agents have no word for are left out."""
    if message.role not in ROLES:
        raise CommandError(ErrorCode.INVALID_FIELD, f"the role of a message is one of {', '.join(ROLES)}")
    contents: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    results: list[InputMessage] = []
    for part in message.parts:
        kind = msgspec.json.decode(part, type=_Kind).type
        if kind == "text":
            contents.append({"type": "text", "text": msgspec.json.decode(part, type=_Text).text})
        elif kind == "file":
            contents.append(_file(msgspec.json.decode(part, type=_File)))
        elif kind.startswith("tool-") or kind == "dynamic-tool":
            tool = msgspec.json.decode(part, type=_Tool)
            name = tool.tool_name if kind == "dynamic-tool" else kind.removeprefix("tool-")
            arguments = bytes(tool.input).decode() if isinstance(tool.input, Raw) else "{}"
            call = {"name": name, "arguments": arguments}
            calls.append({"id": tool.tool_call_id, "type": "function", "function": call})
            results += _result(tool)
    text = "\n".join(each["text"] for each in contents if each["type"] == "text")
    is_text = message.role != "user" or all(each["type"] == "text" for each in contents)
    fields = {"id": message.id, "role": message.role, "content": text if is_text else contents}
    if calls and message.role == "assistant":
        fields["toolCalls"] = calls
    yield InputMessage(message.id, message.role, Raw(_encode(fields)))
    yield from results if message.role == "assistant" else ()


def _file(file: _File) -> dict[str, Any]:
    media = file.media_type.partition("/")[0]
    source: dict[str, Any] = {"type": "url", "value": file.url, "mimeType": file.media_type}
    head, comma, data = file.url.partition(",")
    if comma and head.startswith("data:") and head.endswith(";base64"):
        source = {"type": "data", "value": data, "mimeType": file.media_type}
    return {"type": media if media in _MEDIA else "document", "source": source}


def _result_id(call_id: str) -> str:
    return f"{call_id}-result"


def _result(tool: _Tool) -> Iterator[InputMessage]:
    """The result of a tool that the client has, as a message."""
    if tool.state == "output-error":
        content = tool.error_text
    elif tool.state == "output-available":
        content = _text_of(tool.output) if isinstance(tool.output, Raw) else ""
    else:
        return
    name = _result_id(tool.tool_call_id)
    fields = {"id": name, "role": "tool", "toolCallId": tool.tool_call_id, "content": content}
    yield InputMessage(name, "tool", Raw(_encode(fields)))


def _text_of(value: Raw) -> str:
    read = msgspec.json.decode(value)
    return read if isinstance(read, str) else bytes(value).decode()


def _approvals(last: _Message) -> list[dict[str, Any]]:
    """What the user has decided, as AG-UI's answers to interrupts."""
    answers: list[dict[str, Any]] = []
    for part in last.parts if last.role == "assistant" else ():
        kind = msgspec.json.decode(part, type=_Kind).type
        tool = msgspec.json.decode(part, type=_Tool) if kind.startswith("tool-") or kind == "dynamic-tool" else None
        if tool is not None and tool.state == "approval-responded" and tool.approval is not None:
            payload = {"approved": bool(tool.approval.approved)}
            reason = {} if tool.approval.reason is None else {"reason": tool.approval.reason}
            answers.append({"interruptId": tool.approval.id, "status": "resolved", "payload": payload | reason})
    return answers
