"""PURE: reads a message of the updates queue: which object it carries, and for whom.

An update says whom it is for: it names a project, or it asks for a broadcast. Nobody gets an update that does neither.
It comes in one of three forms:

* the object itself, also through SNS with raw message delivery. The field `project_id` or the attribute `ProjectId`
  names the project. The field `"broadcast": true`, or the attribute `Broadcast` with the value `true`, asks for a
  broadcast;
* an SNS notification, whose `Message` is the text of such an object, and whose `MessageAttributes` are the attributes;
* an EventBridge event, whose `detail` is such an object. It may come inside an SNS notification.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from websocket_handler.protocol.codec import invalid_project_id
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.json_text import JsonObject, unique
from websocket_handler.protocol.names import is_project_id
from websocket_handler.protocol.publication import project_named_in, read_object

PROJECT_ATTRIBUTE: Final = "ProjectId"
BROADCAST_ATTRIBUTE: Final = "Broadcast"
ATTRIBUTES: Final[tuple[str, ...]] = (PROJECT_ATTRIBUTE, BROADCAST_ATTRIBUTE)
"""The attributes of a queue message that say whom it is for."""
ASKED_FOR: Final = "true"
ESCAPE_BYTES_MAX: Final = 6
"""How many bytes one byte of an object can become inside an SNS notification: `\\u001f`."""
ENVELOPE_BYTES_MAX: Final = 16_384
"""How many bytes an SNS notification or an EventBridge event adds to its object at most. The figure is generous."""
NEAR_NAMES_CHARACTERS_MAX: Final = 60

Attributes = Mapping[str, str | None]
"""A message's attributes by name; None stands for a value that is no text."""
_raw_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class ForProject:
    """An update for everybody who follows one project."""

    project_id: str
    message: JsonObject


@dataclass(frozen=True, slots=True)
class ForEverybody:
    """An update whose sender asked for a broadcast."""

    message: JsonObject


def body_bytes_max(message_bytes: int) -> int:
    """The largest body that can hold an object of `message_bytes` bytes, in any of the three forms."""
    return ESCAPE_BYTES_MAX * message_bytes + ENVELOPE_BYTES_MAX


def read_update(body: bytes, attributes: Attributes) -> ForProject | ForEverybody:
    """Read one message of the updates queue.

    Raises CommandError: `missing_field` if it does not say whom it is for, `invalid_project_id`, `project_mismatch`,
    `invalid_json`, `not_an_object`, `too_deep`, `duplicate_key`.
    """
    message = read_object(body)
    found = _addressed(message, attributes)
    if found is None:
        message = message.read_in_full()
    if found is None and _is_notification(message):
        message, attributes = _in_notification(message)
        found = _addressed(message, attributes)
    if found is None and _is_event(message):
        message = _in_event(message)
        found = _addressed(message, {})
    if found is None:
        raise CommandError(ErrorCode.MISSING_FIELD, _says_nobody(message))
    return found


def _addressed(message: JsonObject, attributes: Attributes) -> ForProject | ForEverybody | None:
    """The update, if the object or its attributes say whom it is for; else None. If they name a project and also ask
    for a broadcast, the project counts, because then fewer clients see it."""
    project_id = _project_of(message, attributes)
    if project_id is not None:
        return ForProject(project_id, message)
    is_asked_for = message.fields().get("broadcast") is True or attributes.get(BROADCAST_ATTRIBUTE) == ASKED_FOR
    return ForEverybody(message) if is_asked_for else None


def _project_of(message: JsonObject, attributes: Attributes) -> str | None:
    """The project that the field, the attribute, or both name; None if neither is there. Raises CommandError if the
    name cannot be read: such an update must not become a broadcast."""
    named = project_named_in(message)
    if PROJECT_ATTRIBUTE in attributes:
        attribute = attributes[PROJECT_ATTRIBUTE]
        if named not in (None, attribute):
            raise CommandError(ErrorCode.PROJECT_MISMATCH, "project_id and the attribute ProjectId differ")
        named = attribute or ""
    if named is not None and not is_project_id(named):
        raise invalid_project_id()
    return named


def _is_notification(message: JsonObject) -> bool:
    fields = message.fields()
    has_texts = isinstance(fields.get("TopicArn"), str) and isinstance(fields.get("Message"), str)
    return has_texts and fields.get("Type") == "Notification"


def _in_notification(envelope: JsonObject) -> tuple[JsonObject, Attributes]:
    """The object in an SNS notification, and its attributes."""
    fields = envelope.fields()
    listed = fields.get("MessageAttributes", ())
    named = unique(listed) if isinstance(listed, tuple) else {}
    attributes = {name: _notification_attribute(named[name]) for name in ATTRIBUTES if name in named}
    return read_object(str(fields["Message"]).encode("utf-8", "surrogatepass")), attributes


def _notification_attribute(attribute: object) -> str | None:
    """The value of `{"Type":"String","Value":…}`; None for anything else, for example binary values."""
    fields = unique(attribute) if isinstance(attribute, tuple) else {}
    value = fields.get("Value")
    return value if isinstance(value, str) and fields.get("Type") == "String" else None


def _is_event(message: JsonObject) -> bool:
    fields = message.fields()
    has_texts = isinstance(fields.get("source"), str) and isinstance(fields.get("detail-type"), str)
    return has_texts and isinstance(fields.get("detail"), tuple)


def _in_event(event: JsonObject) -> JsonObject:
    """The object in an EventBridge event, in its own bytes."""
    pairs = event.fields()["detail"]
    assert isinstance(pairs, tuple), "it is an event"
    return JsonObject(bytes(_raw_fields(event.body)["detail"]), pairs)


def _says_nobody(message: JsonObject) -> str:
    """Why nobody gets the object. It lists names in the object that are nearly right."""
    wanted = ("projectid", "broadcast")
    near = [name for name, _ in message.pairs if name.replace("_", "").replace("-", "").lower() in wanted]
    hint = f"; it has {', '.join(near)[:NEAR_NAMES_CHARACTERS_MAX]}" if near else ""
    return f'an update needs project_id, the attribute ProjectId, or "broadcast": true{hint}'
