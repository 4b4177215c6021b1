"""Makes the bytes that every subscriber gets from a publisher's object: the object's own bytes, with the project, the
offset and the time inserted. Nothing in the object is encoded again, so numbers, escapes and key order stay as they
were."""

import re
from hashlib import blake2b
from typing import Final

import msgspec
from msgspec import Struct

from websocket_handler.protocol import json_text, plain
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.json_text import JsonObject, not_an_object
from websocket_handler.protocol.ordinal import ordinal_in

SPLICE_MAX_BYTES: Final = len(b',"project_id":"","offset":,"published_at":}') + 128 + 20 + 20
"""How many bytes longer than the publisher's object a publication can be on the wire."""
MESSAGE_TYPES: Final = (
    "connected",
    "subscription_confirmed",
    "unsubscription_confirmed",
    "subscription_reset",
    "forward_confirmed",
    "publish_confirmed",
    "pong",
    "history",
    "presence",
    "authenticated",
    "token_expiring",
    "reconnect",
    "error",
)
"""The values of `type` that the gateway itself uses. A publication may use them too; its offset tells it apart."""
_WHITESPACE: Final = b" \t\r\n"
_BEHIND_OFFSET: Final = re.compile(rb'(,"published_at":[0-9]+)?\}')


_check_with_second_reader: Final = msgspec.json.Decoder(msgspec.Raw).decode


class PreparedPublication(Struct, frozen=True, gc=False):
    """A publication that was checked where it came in. All layers below pass on this object."""

    project_id: str
    head: bytes
    """Its bytes on the wire up to its offset. `finish` adds the rest once the offset is known."""
    key: str
    """The idempotency key; empty without one."""
    digest: bytes
    """Tells two bodies under one key apart; empty without a key."""
    size: int
    """The length of `head`."""
    has_own_time: bool = False
    """True if the object has a field `published_at`. The gateway then leaves it as it is, and adds none."""


def _digest(head: bytes, key: str) -> bytes:
    return blake2b(head, digest_size=8).digest() if key else b""


def read_object(payload: bytes) -> JsonObject:
    """Read one JSON object in UTF-8. Two readers have to agree that it is one, unless it is plain.

    Raises CommandError: `invalid_json`, `not_an_object`, `too_deep`.
    """
    body = payload.strip(_WHITESPACE)
    json_text.check_depth(body)
    found = plain.read_plain(body)
    if found is not None:
        return found
    value = json_text.parse_shallow(body)
    if not isinstance(value, tuple):
        raise not_an_object()
    try:
        _check_with_second_reader(body)
    except msgspec.DecodeError as error:
        raise json_text.refused_by_second_reader(error) from None
    return JsonObject(body, value)


def prepare(message: JsonObject, project_id: str, key: str = "") -> PreparedPublication:
    """Make a publication of an object. The field `project_id` is inserted if the object has none. A numbered object has
    its idempotency key in itself, which stands instead of `key`.

    Raises CommandError: `duplicate_key`, `reserved_field`, `project_mismatch`, `invalid_field`.
    """
    if message.is_plain:
        if message.named_project is None:
            head = b'%b,"project_id":"%b","offset":' % (message.body[:-1], project_id.encode())
        elif message.named_project == project_id:
            head = b'%b,"offset":' % message.body[:-1]
        else:
            raise _project_mismatch()
        return PreparedPublication(project_id, head, key, _digest(head, key) if key else b"", len(head))
    fields = message.fields()
    if fields.get("project_id", project_id) != project_id:
        raise _project_mismatch()
    _check_reserved(fields)
    comma = b"," if fields else b""
    project = b"" if "project_id" in fields else b'"project_id":"%b",' % project_id.encode()
    head = b'%b%b%b"offset":' % (message.body[:-1], comma, project)
    if "sequence" in fields:  # most have none: this is the hot path
        ordinal = ordinal_in(fields)
        key = key if ordinal is None else ordinal.key
    return PreparedPublication(project_id, head, key, _digest(head, key), len(head), "published_at" in fields)


def _project_mismatch() -> CommandError:
    return CommandError(ErrorCode.PROJECT_MISMATCH, "the message names another project_id")


def finish(publication: PreparedPublication, offset: int, published_at_ms: int) -> bytes:
    """The bytes of a publication that is committed at this offset. `published_at_ms` is wall-clock milliseconds."""
    if publication.has_own_time:
        return b"%b%d}" % (publication.head, offset)
    return b'%b%d,"published_at":%d}' % (publication.head, offset, published_at_ms)


def around_offset(payload: bytes, offset: int) -> tuple[bytes, bytes] | None:
    """What `finish` put before and behind this offset, so that the same publication can stand at another one. Returns
    None if the bytes are no publication at this offset."""
    behind = payload.rpartition(b'"offset":%d' % offset)
    if not behind[1] or _BEHIND_OFFSET.fullmatch(behind[2]) is None:
        return None
    return behind[0] + b'"offset":', behind[2]


def prepare_broadcast(message: JsonObject) -> PreparedPublication:
    """Make a broadcast of an object, whose bytes stay as they are. Raises CommandError: `duplicate_key`,
    `reserved_field`."""
    fields = message.fields()
    _check_reserved(fields)
    type_ = fields.get("type")
    if isinstance(type_, str) and type_ in MESSAGE_TYPES:
        raise CommandError(ErrorCode.RESERVED_FIELD, "a broadcast must not look like a message of the gateway itself")
    return PreparedPublication("", message.body, "", b"", len(message.body))


def project_named_in(message: JsonObject) -> str | None:
    """The `project_id` that an object names; None if it names none. Raises CommandError: `duplicate_key`,
    `invalid_project_id`."""
    if message.is_plain:
        return message.named_project
    fields = message.fields()
    if "project_id" not in fields:
        return None
    value = fields["project_id"]
    if not isinstance(value, str):
        raise CommandError(ErrorCode.INVALID_PROJECT_ID, "project_id must be a string")
    return value


def _check_reserved(fields: dict[str, object]) -> None:
    if "offset" in fields or "epoch" in fields:
        raise CommandError(ErrorCode.RESERVED_FIELD, "offset and epoch are set by the gateway only")
