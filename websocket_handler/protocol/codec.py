"""Reads commands from text. No other file knows how a command is written.

One typed decoder reads a valid command. Only a text that the decoder refuses is checked field by field, so that the
answer names the first thing that is wrong (`spec/protocol.md`, "Order of checks").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, cast

import msgspec
from msgspec import UNSET, Raw, UnsetType

from websocket_handler.protocol import json_text, plain
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.json_text import JsonObject
from websocket_handler.protocol.messages import (
    AnyCommand,
    Authenticate,
    Command,
    Forward,
    History,
    IdempotencyKey,
    Ping,
    Position,
    Presence,
    ProjectId,
    Publish,
    Subscribe,
    Unsubscribe,
)
from websocket_handler.protocol.names import (
    EPOCH,
    ID_LENGTH_MAX,
    IDEMPOTENCY_KEY,
    MESSAGE_ID,
    OFFSET_MAX,
    PROJECT_ID,
    agent_named,
)

_POSITION: Final = re.compile(rf"({EPOCH.pattern}):(0|[1-9][0-9]{{0,15}})", re.ASCII)


class _PublishText(Command, tag="publish", frozen=True, kw_only=True):
    """`publish` as a client writes it. `Publish` is made from it."""

    action = Publish.action
    project_id: ProjectId
    message: Raw
    key: IdempotencyKey | UnsetType = UNSET


_Spelled = Subscribe | Unsubscribe | Forward | Ping | _PublishText | History | Presence | Authenticate
_decode: Final[Callable[[bytes], _Spelled]] = msgspec.json.Decoder(_Spelled).decode
_OBJECT: Final = ord("{")
_PUBLISH_BYTES: Final = len('{"action":"publish","project_id":"","message":}')
_ID_BYTES: Final = len(',"id":""')
_KEY_BYTES: Final = len(',"key":""')
_PUBLISH_WITH_SPACES: Final = b'{"action": "publish", "project_id": "%b", "message": %b}'


def decode_command(text: bytes) -> AnyCommand:
    """The command in `text` (UTF-8; the caller has limited its size). Raises CommandError.

    Two readers have to agree on the text: the typed decoder, and the reader that keeps duplicate keys. The second one
    reads the object in a `publish` here, and nobody reads it again. A plain command needs no second reader: its length
    says that no key stands twice.
    """
    if len(text) > 2 * json_text.NESTING_MAX:  # a shorter text cannot be valid and nested too deeply
        json_text.check_depth(text)
    try:
        command = _decode(text)
    except msgspec.ValidationError as error:
        raise _first_fault(text, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _first_fault(text, "malformed") from None
    if isinstance(command, _PublishText):
        body = bytes(command.message)
        if _is_plain(command, body, text) and (message := plain.plain_object(body)) is not None:
            return Publish(id=command.id, project_id=command.project_id, message=message, key=command.key)
    fields = {} if _has_each_key_once(command, text) else _unique_fields(text)
    _check_combination(command)
    if isinstance(command, _PublishText):
        return _with_object(command, fields["message"])
    return command


def _is_plain(command: _PublishText, body: bytes, text: bytes) -> bool:
    """True if `text` has the fields of the command and nothing else, is UTF-8, and publishes an object, `body`."""
    length = _PUBLISH_BYTES + len(command.project_id) + len(body)
    if command.id is not UNSET:
        length += _ID_BYTES + len(command.id)
    if command.key is not UNSET:
        length += _KEY_BYTES + len(command.key)
    if len(text) != length and text != _PUBLISH_WITH_SPACES % (command.project_id.encode(), body):
        return False
    return body[0] == _OBJECT and (text.isascii() or plain.is_utf8(text))


def _has_each_key_once(command: _Spelled, text: bytes) -> bool:
    """True if no key of the command stands twice; False if only the second reader tells."""
    if text.count(b":") <= 1:  # with one colon there is one key
        return True
    is_nested = isinstance(command, _PublishText) or (isinstance(command, Subscribe) and command.since is not UNSET)
    return not is_nested and plain.is_utf8(text) and plain.has_each_name_once(text)


def _unique_fields(text: bytes) -> dict[str, object]:
    """The fields of a command. Raises CommandError with `duplicate_key`. That error has no `id`, because `id` itself
    may be the key that stands twice."""
    fields = json_text.parse_object(text)
    since = fields.get("since")
    if isinstance(since, tuple):
        json_text.unique(since)
    return fields


def _with_object(command: _PublishText, pairs: object) -> Publish:
    assert isinstance(pairs, tuple), "the combination check refuses what is no object"
    message = JsonObject(bytes(command.message), pairs)
    return Publish(id=command.id, project_id=command.project_id, message=message, key=command.key)


def _check_combination(command: _Spelled) -> None:
    """Raises CommandError if the command breaks a rule that a typed decoder cannot express."""
    fault = None
    if isinstance(command, Forward):
        if agent_named(command.type) is None:
            fault = _agent_fault()
    elif isinstance(command, Subscribe):
        if (command.since is not UNSET) + (command.rewind is not UNSET) + (command.from_ is not UNSET) > 1:
            fault = both_fault("since", "rewind") if command.from_ is UNSET else _from_fault(command)
    elif isinstance(command, _PublishText) and bytes(command.message)[:1] != b"{":
        fault = _field_fault("message", "an object")
    if fault is not None:
        fault.id = None if command.id is UNSET else command.id
        fault.action = command.action
        raise fault


def _first_fault(text: bytes, reason: str) -> CommandError:
    """The first rule that `text` breaks. `reason` is what the decoder said; it is used if no rule here names the
    fault."""
    action: str | None = None
    command_id: str | None = None
    try:
        fields = json_text.parse_object(text)
        if isinstance(fields.get("since"), tuple):
            fields["since"] = json_text.unique(cast("tuple[tuple[str, object], ...]", fields["since"]))
        raw_id = fields.get("id")
        command_id = raw_id if isinstance(raw_id, str) and _is_command_id(raw_id) else None
        action = _check_action(fields)
        if "id" in fields and command_id is None:
            raise _field_fault("id", f"a string of 1 to {ID_LENGTH_MAX} characters")
        for name, check in _FIELDS[action]:
            check(name, fields)
    except CommandError as fault:
        fault.id, fault.action = command_id, action
        return fault
    return CommandError(ErrorCode.INVALID_FIELD, reason, command_id=command_id, action=action)


def _check_action(fields: dict[str, object]) -> str:
    if "action" not in fields:
        raise CommandError(ErrorCode.MISSING_FIELD, "action is missing")
    action = fields["action"]
    if not isinstance(action, str):
        raise _field_fault("action", "a string")
    if action not in _FIELDS:
        shown = action[:64].encode(errors="replace").decode()
        raise CommandError(ErrorCode.UNKNOWN_ACTION, f"Unknown action: {shown}")
    return action


def _is_command_id(text: str) -> bool:
    """True if `text` can be echoed: it is short enough, and has no lone surrogate, which UTF-8 cannot carry."""
    return 1 <= len(text) <= ID_LENGTH_MAX and not any("\ud800" <= character <= "\udfff" for character in text)


def _field_fault(name: str, form: str) -> CommandError:
    return CommandError(ErrorCode.INVALID_FIELD, f"{name} must be {form}")


def _agent_fault() -> CommandError:
    return CommandError(ErrorCode.UNKNOWN_AGENT_TYPE, "type must name an agent: pm, dev, qa or ops")


def both_fault(one: str, other: str) -> CommandError:
    """The answer to two ways of saying where to begin."""
    return CommandError(ErrorCode.INVALID_FIELD, f"{one} and {other} exclude each other")


def _from_fault(command: Subscribe) -> CommandError:
    return both_fault("since" if command.since is not UNSET else "rewind", "from")


Check = Callable[[str, dict[str, object]], None]


def _required(check: Check) -> Check:
    def checked(name: str, fields: dict[str, object]) -> None:
        if name not in fields:
            raise CommandError(ErrorCode.MISSING_FIELD, f"{name} is missing")
        check(name, fields)

    return checked


def _optional(check: Check) -> Check:
    def checked(name: str, fields: dict[str, object]) -> None:
        if name in fields:
            check(name, fields)

    return checked


def _project(name: str, fields: dict[str, object]) -> None:
    value = fields[name]
    if not isinstance(value, str) or PROJECT_ID.fullmatch(value) is None:
        raise invalid_project_id()


def invalid_project_id() -> CommandError:
    """The answer to a project id of a wrong form. It never repeats the id."""
    return CommandError(
        ErrorCode.INVALID_PROJECT_ID,
        "a project id has 1 to 128 characters of A-Z a-z 0-9 . _ : - and is not . or ..",
    )


def read_position(text: str) -> Position:
    """A position in the form `EPOCH:OFFSET`, as on URLs and in `Last-Event-ID`. Raises CommandError with
    `invalid_field`."""
    match = _POSITION.fullmatch(text)
    if match is None or int(match[2]) > OFFSET_MAX:
        raise CommandError(ErrorCode.INVALID_FIELD, "a position has the form EPOCH:OFFSET")
    return Position(match[1], int(match[2]))


def yes_or_no(name: str, values: Sequence[str]) -> bool:
    """What the values of a query parameter say that is `true` or `false`, and false if it is missing. Raises
    CommandError with `invalid_field`."""
    if len(values) > 1 or not {"true", "false"}.issuperset(values):
        raise _field_fault(name, "true or false, and stands once")
    return "true" in values


def _agent(name: str, fields: dict[str, object]) -> None:
    value = fields[name]
    if not isinstance(value, str) or agent_named(value) is None:
        raise _agent_fault()


def _text(pattern: re.Pattern[str]) -> Check:
    def checked(name: str, fields: dict[str, object]) -> None:
        value = fields[name]
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise _field_fault(name, f"a string of the form {pattern.pattern}")

    return checked


def _integer(low: int, high: int | None) -> Check:
    def checked(name: str, fields: dict[str, object]) -> None:
        value = fields[name]
        is_integer = isinstance(value, int) and not isinstance(value, bool)
        if not is_integer or not low <= cast(int, value) or (high is not None and cast(int, value) > high):
            raise _field_fault(name, f"an integer of at least {low}" + (f", at most {high}" if high else ""))

    return checked


def _since(name: str, fields: dict[str, object]) -> None:
    value = fields[name]
    if not isinstance(value, dict):
        raise _field_fault(name, 'an object {"epoch":…,"offset":…}')
    _required(_text(EPOCH))("epoch", value)
    _required(_integer(0, OFFSET_MAX))("offset", value)
    if "rewind" in fields:
        raise both_fault("since", "rewind")


def _from(name: str, fields: dict[str, object]) -> None:
    if fields[name] != "snapshot":
        raise _from_form()
    for other in ("since", "rewind"):
        if other in fields:
            raise both_fault(other, name)


def _from_form() -> CommandError:
    return _field_fault("from", '"snapshot"')


def is_from_snapshot(values: Sequence[str]) -> bool:
    """What the values of the query parameter `from` say. Raises CommandError with `invalid_field` unless it is missing,
    or stands once and is `snapshot`."""
    if len(values) > 1 or not {"snapshot"}.issuperset(values):
        raise _from_form()
    return bool(values)


def _boolean(name: str, fields: dict[str, object]) -> None:
    if not isinstance(fields[name], bool):
        raise _field_fault(name, "true or false")


def _object(name: str, fields: dict[str, object]) -> None:
    if not isinstance(fields[name], tuple):
        raise _field_fault(name, "an object")


def _token(name: str, fields: dict[str, object]) -> None:
    if not isinstance(fields[name], str) or not fields[name]:
        raise _field_fault(name, "a string of at least 1 character")


def _anything(_name: str, _fields: dict[str, object]) -> None:
    """`data` may be any JSON value."""


_FIELDS: Final[dict[str, tuple[tuple[str, Check], ...]]] = {
    "subscribe": (
        ("project_id", _required(_project)),
        ("since", _optional(_since)),
        ("rewind", _optional(_integer(0, OFFSET_MAX))),
        ("from", _optional(_from)),
        ("fold", _optional(_boolean)),
    ),
    "unsubscribe": (("project_id", _required(_project)),),
    "forward": (
        ("type", _required(_agent)),
        ("data", _required(_anything)),
        ("project_id", _optional(_project)),
        ("message_id", _optional(_text(MESSAGE_ID))),
    ),
    "ping": (),
    "publish": (
        ("project_id", _required(_project)),
        ("message", _required(_object)),
        ("key", _optional(_text(IDEMPOTENCY_KEY))),
    ),
    "history": (
        ("project_id", _required(_project)),
        ("after", _optional(_integer(0, OFFSET_MAX))),
        ("limit", _optional(_integer(1, None))),
        ("fold", _optional(_boolean)),
    ),
    "presence": (("project_id", _required(_project)),),
    "authenticate": (("token", _required(_token)),),
}
