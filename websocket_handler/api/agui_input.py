"""Reads what an AG-UI client posts: `RunAgentInput`, in both generations of the protocol."""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from websocket_handler.logs.runs.vocabulary import Generation, generation_of
from websocket_handler.protocol.codec import invalid_project_id
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.names import MESSAGE_ID, is_project_id
from websocket_handler.protocol.publication import read_object

AGENTS_WORDS: Final = frozenset({"assistant", "activity", "reasoning"})
"""Roles of messages that an agent wrote, and that it therefore knows."""


class _Message(Struct, frozen=True):
    id: str
    role: str = ""


class _Input(Struct, frozen=True, rename="camel"):
    """The fields that mean something to the gateway, and those that it passes on."""

    thread_id: str
    run_id: str
    messages: list[Raw] = []
    tools: Raw | UnsetType = UNSET
    context: Raw | UnsetType = UNSET
    state: Raw | UnsetType = UNSET
    forwarded_props: Raw | UnsetType = UNSET
    resume: Raw | UnsetType = UNSET
    protocol_version: str | UnsetType | None = UNSET


class InputMessage(Struct, frozen=True):
    """A message that the client posts. `body` is its bytes as they came."""

    id: str
    role: str
    body: Raw


class RunInput(Struct, frozen=True):
    """What a client asks of an agent. The thread is the project, and the run's id is the task's message id."""

    project_id: str
    run_id: str
    messages: Sequence[InputMessage]
    generation: Generation
    passed_on: dict[str, Raw]
    """The other fields, as they came."""

    def new_messages(self, held: Collection[str]) -> list[Raw]:
        """The messages that the agent needs: those whose ids are not in `held`, and what the user said last. Chat
        clients post the whole history each time. What follows the last word of an agent stays in any case, because the
        agent may never have got it, if the run for which it was posted failed."""
        last = max((place for place, one in enumerate(self.messages) if one.role in AGENTS_WORDS), default=-1)
        return [one.body for place, one in enumerate(self.messages) if place > last or one.id not in held]

    def task(self, messages: Sequence[Raw], since: Position) -> bytes:
        """The task for the agent's queue: a `RunAgentInput` with these messages, and with a position before the run.
        From there the agent can follow the project, to hear of a wish to stop that came while the task waited."""
        known = {"threadId": self.project_id, "runId": self.run_id, "since": f"{since.epoch}:{since.offset}"}
        fields = {**known, "messages": messages, **self.passed_on}
        return msgspec.json.encode(fields)


def read_run_input(body: bytes) -> RunInput:
    """Read the body of a request. Raises CommandError: `invalid_json`, `not_an_object`, `too_deep`, `duplicate_key`,
    `missing_field`, `invalid_field`, `invalid_project_id`."""
    fields = read_object(body).fields()
    for name in ("threadId", "runId"):
        if name not in fields:
            raise CommandError(ErrorCode.MISSING_FIELD, f"{name} is missing")
    try:
        found = msgspec.json.decode(body, type=_Input)
        messages = [_message(message) for message in found.messages]
    except msgspec.ValidationError as error:
        raise CommandError(ErrorCode.INVALID_FIELD, f"RunAgentInput: {error}") from None
    if not is_project_id(found.thread_id):
        raise invalid_project_id()
    if MESSAGE_ID.fullmatch(found.run_id) is None:
        raise CommandError(ErrorCode.INVALID_FIELD, f"runId must be a string of the form {MESSAGE_ID.pattern}")
    passed_on = {
        name: value
        for name, value in (
            ("tools", found.tools),
            ("context", found.context),
            ("state", found.state),
            ("forwardedProps", found.forwarded_props),
            ("resume", found.resume),
        )
        if isinstance(value, Raw)
    }
    return RunInput(found.thread_id, found.run_id, messages, generation_of(found.protocol_version), passed_on)


def read_stopped_run(body: bytes) -> str | None:
    """The run that the body of a `stop` names: CopilotKit sends `{"runId":…}`. None if the body is empty or names none.
    Raises CommandError: `invalid_json`, `not_an_object`, `too_deep`, `duplicate_key`, `invalid_field`."""
    if not body:
        return None
    run_id = read_object(body).fields().get("runId")
    if not isinstance(run_id, str | None):
        raise CommandError(ErrorCode.INVALID_FIELD, "runId must be a string")
    return run_id


def newest(messages: Sequence[Raw], bytes_max: int) -> Sequence[Raw]:
    """As many of the newest messages as fit, and at least the last one. A log no longer holds what is very old, and the
    client would post it again each time."""
    size = 0
    for count, message in enumerate(reversed(messages)):
        size += len(bytes(message)) + 1
        if count and size > bytes_max:
            return messages[-count:]
    return messages


def _message(body: Raw) -> InputMessage:
    message = msgspec.json.decode(body, type=_Message)
    return InputMessage(message.id, message.role, body)
