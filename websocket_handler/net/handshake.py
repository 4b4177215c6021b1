"""The opening handshake (RFC 6455 section 4.2): checks the head of a request that asks for a WebSocket, and writes the
answer that accepts it."""

from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence
from hashlib import sha1
from typing import Final
from urllib.parse import parse_qsl

from msgspec import UNSET, Struct

from websocket_handler.access.credentials import BEARER, Credential, credentials_in
from websocket_handler.protocol.codec import (
    both_fault,
    invalid_project_id,
    is_from_snapshot,
    read_position,
    yes_or_no,
)
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.extensions import agreed_extensions
from websocket_handler.protocol.http_errors import WEBSOCKET_VERSION
from websocket_handler.protocol.messages import Position, Subscribe
from websocket_handler.protocol.names import is_project_id
from websocket_handler.protocol.request_head import OWS, RequestHead

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_SHA1: Final = sha1(usedforsecurity=False)
_CONNECTION: Final = ["Upgrade"]
"""What most clients write."""
QUERY_FIELDS_MAX: Final = 1000
"""The most fields in the query string of a handshake, projects and positions included."""


class Handshake(Struct, frozen=True):
    """A request for a WebSocket. `key` is the client's key, `subscriptions` are the projects that its URL names.

    `forwarded_for` are the values of `X-Forwarded-For`. `offers_bearer` is True if `bearer` is among the subprotocols.
    `extensions` is the answer to the extensions that the client offers; it is empty if none is accepted.
    """

    path: str
    key: bytes
    subscriptions: tuple[Subscribe, ...]
    credentials: tuple[Credential, ...] = ()
    origin: str | None = None
    host: str = ""
    forwarded_for: tuple[str, ...] = ()
    offers_bearer: bool = False
    extensions: str = ""


def read_handshake(head: RequestHead, paths: Sequence[str], *, has_compression: bool = False) -> Handshake:
    """Check a request that asks for a WebSocket. Without compression no extension is accepted, and the offers are not
    read. Raises CommandError."""
    if head.method != "GET":
        raise _bad("a WebSocket handshake is a GET request")
    if head.target.path not in paths:
        raise CommandError(ErrorCode.NOT_FOUND, f"the WebSocket endpoint is {paths[0]}")
    _check(head)
    headers = head.headers
    key, fields, subprotocols = _key(headers), _query_fields(head.target.query), _protocols(headers)
    return Handshake(
        head.target.path,
        key,
        _subscriptions(fields),
        credentials=tuple(credentials_in(headers.get("authorization", ()), fields, subprotocols)),
        origin=", ".join(headers["origin"]) if "origin" in headers else None,
        host=head.host,
        forwarded_for=tuple(headers.get("x-forwarded-for", ())),
        offers_bearer=BEARER in subprotocols,
        extensions=_extensions(headers) if has_compression else "",
    )


def _protocols(headers: dict[str, list[str]]) -> list[str]:
    values = headers.get("sec-websocket-protocol")
    return [] if values is None else [entry.strip(OWS) for value in values for entry in value.split(",")]


def _extensions(headers: dict[str, list[str]]) -> str:
    try:
        return agreed_extensions(offered) if (offered := headers.get("sec-websocket-extensions")) else ""
    except ValueError:
        raise _bad("Sec-WebSocket-Extensions cannot be read") from None


def _check(head: RequestHead) -> None:
    if head.version != "1.1":
        raise _bad("a WebSocket handshake is an HTTP/1.1 request")
    headers = head.headers
    if headers.get("connection") != _CONNECTION and "upgrade" not in head.elements("connection"):
        raise _bad("Connection must contain Upgrade")
    lengths = headers.get("content-length")
    if (lengths and any(length.strip("0") for length in lengths)) or "transfer-encoding" in headers:
        raise _bad("a WebSocket handshake has no body")  # JDK 17 always says that its length is 0
    if headers.get("sec-websocket-version") != [WEBSOCKET_VERSION]:  # section 4.4
        raise CommandError(ErrorCode.UPGRADE_REQUIRED, f"Sec-WebSocket-Version must be {WEBSOCKET_VERSION}")


def _key(headers: dict[str, list[str]]) -> bytes:
    keys = headers.get("sec-websocket-key", [])
    try:
        is_valid = len(keys) == 1 and len(a2b_base64(keys[0], strict_mode=True)) == 16
    except ValueError:  # binascii.Error is one
        is_valid = False
    if not is_valid:
        raise _bad("Sec-WebSocket-Key must be 16 bytes in base64")
    return keys[0].encode("latin-1")


def _query_fields(query: str) -> Sequence[tuple[str, str]]:
    if not query:
        return ()
    if query.count("&") >= QUERY_FIELDS_MAX:
        raise _bad(f"the query string of a handshake has at most {QUERY_FIELDS_MAX} fields")
    if "%" not in query and "+" not in query:  # nothing has to be decoded
        return [(name, value) for name, _, value in [field.partition("=") for field in query.split("&") if field]]
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict")
    except ValueError:
        raise _bad("the query string cannot be read") from None


def _subscriptions(fields: Sequence[tuple[str, str]]) -> tuple[Subscribe, ...]:
    """Read `?project_id=A&project_id=B&since=E:N&fold=true`. The k-th `since` belongs to the k-th project, `fold` and
    `from` to all of them. A project that is named twice counts once, as with a second `subscribe`. Raises
    CommandError."""
    if len(fields) == 1 and fields[0][0] == "project_id":  # what most clients ask for
        project_id = fields[0][1]
        if not is_project_id(project_id):
            raise invalid_project_id()
        return (Subscribe(project_id=project_id),)
    projects = [value for name, value in fields if name == "project_id"]
    sinces = [value for name, value in fields if name == "since"]
    folds = yes_or_no("fold", [value for name, value in fields if name == "fold"])
    begins_with_snapshot = is_from_snapshot([value for name, value in fields if name == "from"])
    if not all(is_project_id(project_id) for project_id in projects):
        raise invalid_project_id()
    if len(sinces) > len(projects):
        raise CommandError(ErrorCode.INVALID_FIELD, "each project_id has at most one since")
    if sinces and begins_with_snapshot:
        raise both_fault("since", "from")
    positions: list[Position | None] = [read_position(since) for since in sinces]
    positions += [None] * (len(projects) - len(positions))
    first: dict[str, Position | None] = {}
    for project_id, position in zip(projects, positions, strict=True):
        first.setdefault(project_id, position)
    return tuple(
        Subscribe(
            project_id=project_id,
            since=UNSET if since is None else since,
            from_="snapshot" if begins_with_snapshot else UNSET,
            fold=folds,
        )
        for project_id, since in first.items()
    )


def _bad(reason: str) -> CommandError:
    return CommandError(ErrorCode.INVALID_FIELD, reason)


def accepted(key: bytes, *, with_bearer: bool = False, extensions: str = "", date: str = "") -> bytes:
    """The answer that makes the connection a WebSocket (section 4.2.2). `with_bearer` selects the subprotocol `bearer`;
    a browser that offered it hangs up otherwise. `extensions` is what both sides agreed on, `date` the time as HTTP
    writes it."""
    digest = _SHA1.copy()  # copying costs a third of making a new one
    digest.update(key + _GUID)
    return b"".join(
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
            b2a_base64(digest.digest(), newline=False),
            b"\r\nSec-WebSocket-Protocol: bearer" if with_bearer else b"",
            b"\r\nSec-WebSocket-Extensions: " + extensions.encode() if extensions else b"",
            b"\r\nDate: " + date.encode() if date else b"",
            b"\r\n\r\n",
        )
    )
