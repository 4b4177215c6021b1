"""A publisher's object to the bytes every subscriber gets: the publisher's own bytes, with the project and
the offset spliced in. Nothing inside is re-encoded, so numbers, escapes and key order stay as they came."""

from hashlib import blake2b
from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from websocket_handler.protocol import json_text
from websocket_handler.protocol.codes import CommandError, ErrorCode

SPLICE_MAX_BYTES: Final = len(b',"project_id":"","offset":}') + 128 + 20
"""How much longer than the publisher's object a publication can be on the wire."""
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
"""The `type`s that only the gateway says. A publication may use them too: its offset tells it apart."""
_WHITESPACE: Final = b" \t\r\n"


class _Reserved(msgspec.Struct):
    """What is looked at; the rest is only read past."""

    type: Raw | UnsetType = UNSET
    project_id: Raw | UnsetType = UNSET
    offset: Raw | UnsetType = UNSET
    epoch: Raw | UnsetType = UNSET


_decode_reserved: Final = msgspec.json.Decoder(_Reserved).decode


def publication_head(payload: bytes, project_id: str) -> bytes:
    """The publication's wire bytes up to its offset; `finish` adds the rest once the offset is known.

    `payload` is one JSON object in UTF-8. Raises CommandError: `invalid_json`, `not_an_object`, `too_deep`,
    `duplicate_key`, `reserved_field`, `project_mismatch`.
    """
    body, fields = _read_object(payload)
    if fields.get("project_id", project_id) != project_id:
        raise CommandError(ErrorCode.PROJECT_MISMATCH, "the message names another project_id")
    _check_reserved(fields)
    comma = b"," if fields else b""
    project = b"" if "project_id" in fields else b'"project_id":"%b",' % project_id.encode()
    return b'%b%b%b"offset":' % (body[:-1], comma, project)


def finish(head: bytes, offset: int) -> bytes:
    """The complete publication."""
    return b"%b%d}" % (head, offset)


def broadcast_payload(payload: bytes) -> bytes:
    """A broadcast's bytes: the object as given. Raises CommandError as `publication_head` does."""
    body, fields = _read_object(payload)
    _check_reserved(fields)
    if fields.get("type") in MESSAGE_TYPES:
        raise CommandError(ErrorCode.RESERVED_FIELD, "a broadcast must not look like a message of the gateway itself")
    return body


def project_named_in(payload: bytes) -> str | None:
    """The `project_id` that an object names, None when it names none. Raises CommandError."""
    _, fields = _read_object(payload)
    if "project_id" not in fields:
        return None
    value = fields["project_id"]
    if not isinstance(value, str):
        raise CommandError(ErrorCode.INVALID_PROJECT_ID, "project_id must be a string")
    return value


def digest(head: bytes) -> bytes:
    """What tells two bodies under one idempotency key apart: 8 bytes."""
    return blake2b(head, digest_size=8).digest()


def _check_reserved(fields: dict[str, object]) -> None:
    if "offset" in fields or "epoch" in fields:
        raise CommandError(ErrorCode.RESERVED_FIELD, "offset and epoch are set by the gateway only")


def _read_object(payload: bytes) -> tuple[bytes, dict[str, object]]:
    """The object's bytes without white space around them, and its fields. Two readers have to agree that it is one."""
    body = payload.strip(_WHITESPACE)
    fields = json_text.parse_object(body)
    try:
        _decode_reserved(body)
    except RecursionError:
        raise json_text.too_deep() from None
    except msgspec.DecodeError as error:
        raise CommandError(ErrorCode.INVALID_JSON, f"Invalid JSON: {error}") from None
    return body, fields
