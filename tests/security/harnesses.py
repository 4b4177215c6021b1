"""What coverage-guided fuzzing calls: bytes from the network into each pure part, and what must hold whatever they are.

A harness takes any bytes and raises Violation when something comes out that no document knows, or that another reader
of the same standard contradicts. `coverage_fuzz` searches with them; `test_harnesses` runs them over the corpus.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from typing import Any, Final, NoReturn

import jwt
from websockets.exceptions import InvalidHandshake, SecurityError
from websockets.headers import parse_extension
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

from tests.security.violations import Violation, check
from tests.support.forgeries import answer_to, make
from tests.support.frames import cut
from tests.support.heads import HEAD_BYTES
from tests.support.library_decoder import agree
from tests.support.publications import broadcast_payload, prepared, project_named_in
from tests.support.spec_files import allows
from tests.support.tokens import AUDIENCE, ISSUER, SECRET, signed
from websocket_handler.adapters.jwt.keys import jwks_keys
from websocket_handler.api.projects import BATCH_MAX, WHITESPACE, read_batch
from websocket_handler.net.handshake import accepted, read_handshake
from websocket_handler.protocol import publication, replies
from websocket_handler.protocol.codec import decode_command
from websocket_handler.protocol.codes import ERRORS, CommandError, ErrorCode
from websocket_handler.protocol.deflate import DeflateFraming, inflated
from websocket_handler.protocol.extensions import agreed_extensions
from websocket_handler.protocol.frame_decoder import Event, ProtocolViolation
from websocket_handler.protocol.http_errors import last_response
from websocket_handler.protocol.identity import Identity, InvalidClaims, identity_from_claims
from websocket_handler.protocol.json_text import JsonObject
from websocket_handler.protocol.messages import Publish
from websocket_handler.protocol.names import OFFSET_MAX, is_project_id
from websocket_handler.protocol.request_head import HeadReader
from websocket_handler.protocol.update import ForEverybody, read_update

Harness = Callable[[bytes], object]
PROJECT: Final = "proj:fuzz"
LIMIT: Final = 4096


def check_error(fault: CommandError, data: bytes, *codes: ErrorCode) -> None:
    """The fault can be said, and is one of those that its reader may find."""
    said = json.loads(replies.error(fault))
    check(said["type"] == "error" and said["code"] in set(ErrorCode), f"error {said}", data)
    check(ERRORS[fault.code].status < 500, f"error {said}", data)
    check(not codes or fault.code in codes, f"error {said}", data)


# Frames


def frames(data: bytes) -> None:
    """A client's stream, cut where a checksum of it says: as the `websockets` library reads it, up to the differences
    that the differential test lists."""
    places = [zlib.crc32(data, seed) for seed in range(4)]
    agree(data, cut(data, places))


def deflate(data: bytes) -> None:
    """A compressed message: bounded, UTF-8, and what zlib itself makes of it; or 1007. And back again."""
    for event, kind in ((Event.DEFLATED_TEXT, Event.TEXT), (Event.DEFLATED_BINARY, Event.BINARY)):
        try:
            found, message = inflated(event, data, LIMIT)
        except ProtocolViolation as violation:
            check(violation.close_code == 1007, f"close code {violation.close_code}", data)
            continue
        check(found in (kind, Event.OVERSIZE), f"{found}", data)
        check(len(message) <= LIMIT, f"{len(message)} bytes", data)
        if found is Event.TEXT:
            message.decode()
        if found is kind:
            plain = zlib.decompressobj(-15).decompress(data + b"\0\0\xff\xff", LIMIT + 1)
            check(message == plain, "zlib reads something else", data)
    frame = DeflateFraming().binary(data)
    head = 2 if frame[1] < 126 else 4 if frame[1] == 126 else 10
    again = frame[head:]
    if frame[0] & 0x40:
        again = inflated(Event.DEFLATED_BINARY, again, len(data))[1]
    check(again == data, "a frame does not hold what it was made from", data)


# Handshakes


def handshake(data: bytes) -> None:
    """A request head: refused with a whole answer, or one that the `websockets` library accepts too."""
    end = data.find(b"\r\n\r\n")
    head = data[: end + 4] if end >= 0 else data + b"\r\n\r\n"
    try:
        request = HeadReader(HEAD_BYTES).receive(head)
        if request is None or not request.wants_websocket:
            return
        found = read_handshake(request, ("/ws", "/__echo"), has_compression=True)
    except CommandError as refusal:
        check_error(refusal, data)
        answer = last_response(refusal)
        check(answer.startswith(b"HTTP/1.1 4"), f"answer {answer!r}", data)
        first, _, body = answer.partition(b"\r\n\r\n")
        check(first.isascii() and f"Content-Length: {len(body)}".encode() in first, f"answer {answer!r}", data)
        check(first.count(b"\r\n") == first.count(b"\n") and json.loads(body)["type"] == "error", f"{answer!r}", data)
        return
    check(all(is_project_id(each.project_id) for each in found.subscriptions), "a project id", data)
    check(all(each.text not in repr(each) or len(each.text) < 9 for each in found.credentials), "a credential", data)
    answer = accepted(found.key, with_bearer=found.offers_bearer, extensions=found.extensions)
    check(answer.startswith(b"HTTP/1.1 101 ") and answer.count(b"\r\n\r\n") == 1, f"answer {answer!r}", data)
    library_agrees(head, answer, data)


LAX_START: Final = re.compile(rb"\A[\r\n]*GET +([!-~]+) +")
"""RFC 9112 sections 2.2 and 3 let a reader skip line ends before it and take several spaces; the library does not."""

LAX_LISTS: Final = re.compile(
    rb"invalid (?:(?:Connection|Upgrade|Sec-WebSocket-Protocol) header|Origin header: multiple values)"
)
"""Elements that are no tokens, or are not `websocket`: ours looks for the elements that it knows, and at no other.
Several origins are one that no allow-list has."""


def library_agrees(head: bytes, answer: bytes, data: bytes) -> None:
    """The `websockets` library takes this handshake too, and derives the same key from it."""
    reader = StreamReader()
    reader.feed_data(LAX_START.sub(rb"GET \1 ", head))
    reader.feed_eof()
    reading = Request.parse(reader.read_line)
    try:
        next(reading)
    except StopIteration as done:
        request: Request = done.value
    except SecurityError:
        return  # its own bounds on lines and their number; ours is on the whole
    except (ValueError, EOFError, NotImplementedError) as fault:
        raise Violation(f"only we can read it: {fault}; input: {data!r}") from None
    else:
        raise Violation(f"only we find its end; input: {data!r}")
    response = ServerProtocol().accept(request)
    if LAX_LISTS.search(response.body or b""):
        return
    check(response.status_code == 101, f"refused by the library: {response.body!r}", data)
    key = response.headers["Sec-WebSocket-Accept"].encode()
    check(b"Sec-WebSocket-Accept: " + key + b"\r\n" in answer, "another key", data)


# Commands

COMMAND: Final = "client-command.json"
SEEN_IN_THE_TEXT_ONLY: Final = {ErrorCode.DUPLICATE_KEY, ErrorCode.TOO_DEEP, ErrorCode.INVALID_JSON}
BEYOND_THE_SCHEMA: Final = re.compile(rb"[0-9]\.0|[eE][+-]?[0-9]|\\n|\\u")
"""JSON Schema counts 1.0 and 1e1 as integers, Python's `$` allows a line feed, and lone surrogates are its strings."""


def _refuse_constant(name: str) -> NoReturn:
    """NaN and Infinity are no JSON."""
    raise ValueError(name)


def _number(digits: str) -> int | float:
    """Python refuses to make integers of thousands of digits."""
    return int(digits) if len(digits) <= 1000 else float(digits)


def read(text: bytes, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """The JSON value in a text, as the standard library reads it."""
    return json.loads(text, object_pairs_hook=pairs, parse_constant=_refuse_constant, parse_int=_number)


def command(data: bytes) -> None:
    """A text message: a command that the schema allows and that says what the text says, or an error that the schema
    agrees with."""
    try:
        found = decode_command(data)
    except CommandError as fault:
        check_error(fault, data)
        check(fault.id is None or json.loads(json.dumps(fault.id)) == fault.id, "an id", data)
        if fault.code not in SEEN_IN_THE_TEXT_ONLY and not BEYOND_THE_SCHEMA.search(data):
            check(not allows(COMMAND, read(data)), f"refused, but allowed: {fault.code}", data)
        return
    if isinstance(found, Publish) and not publish(found.message.body):
        return  # found when the publication is made
    said = read(data)
    names = [name for name, _ in read(data, list)]
    check(len(set(names)) == len(names), "a name twice", data)
    check(allows(COMMAND, said), "accepted, but not allowed by the schema", data)
    check(found.action == said["action"], "another action", data)
    for name in ("id", "project_id", "message_id", "key", "type", "rewind", "after", "limit", "token"):
        check(name not in said or getattr(found, name, said[name]) == said[name], f"another {name}", data)
    for name in ("data", "message"):
        if hasattr(found, name):
            value = getattr(found, name)
            raw = value.body if isinstance(value, JsonObject) else bytes(value)
            check(raw in data and same(read(raw), said[name]), f"another {name}", data)


def same(one: object, other: object) -> bool:
    """Equality that tells 1 from true and takes NaN for itself."""
    return repr(one) == repr(other)


# Publications


def publish(data: bytes) -> bool:
    """A publisher's object: refused, or its own bytes with up to three fields behind them, once each. True if it was
    taken."""
    try:
        taken = prepared(data, project_id=PROJECT)
    except CommandError as fault:
        check_error(fault, data)
        return False
    own = data.strip(b" \t\r\n")
    for offset in (1, OFFSET_MAX):
        wire = publication.finish(taken, offset, offset)
        check(wire.startswith(own[:-1]) and b'"offset":%d' % offset in wire[len(own) - 1 :], "not the own bytes", data)
        check(len(wire) <= len(own) + publication.SPLICE_MAX_BYTES, "too long", data)
        pairs = read(wire, list)
        names = [name for name, _ in pairs]
        check(len(set(names)) == len(names), "a name twice", data)
        check(dict(pairs)["offset"] == offset and dict(pairs)["project_id"] == PROJECT, "another place", data)
        check("epoch" not in names and "published_at" in names, "an epoch, or no time", data)
        has_own_time = "published_at" in read(own)
        check(has_own_time or dict(pairs)["published_at"] == offset, "another time", data)
        check(not has_own_time or same(dict(pairs)["published_at"], read(own)["published_at"]), "another time", data)
    return True


def publication_body(data: bytes) -> None:
    """A request body: split into objects without a change, each of them a publication, a broadcast or an error."""
    try:
        items = [item.body for item in read_batch(data)] if data.lstrip(WHITESPACE).startswith(b"[") else [data]
    except CommandError as fault:
        check_error(fault, data)
        items = [data]
    if items != [data]:
        check(1 <= len(items) <= BATCH_MAX, "a batch of another size", data)
        check(same([read(item) for item in items], read(data)), "split into something else", data)
    for item in items:
        publish(item)
        try:
            body = broadcast_payload(item)
            check(body == item.strip(b" \t\r\n"), "not the own bytes", data)
            check(read(body).get("type") not in publication.MESSAGE_TYPES, "a message of the gateway", data)
        except CommandError as fault:
            check_error(fault, data)
        try:
            named = project_named_in(item)
            check(named == read(item).get("project_id"), "another project", data)
        except CommandError as fault:
            check_error(fault, data)


def notification_attributes(listed: object) -> dict[str, object]:
    """The values in the `MessageAttributes` of an SNS notification that have one."""
    pairs = listed.items() if isinstance(listed, dict) else ()
    return {name: value["Value"] for name, value in pairs if isinstance(value, dict) and "Value" in value}


def updates(data: bytes) -> None:
    """A message of the updates queue: for the project that its object names, for everybody where its object asks for
    that, or an error."""
    for attributes in ({}, {"ProjectId": PROJECT}):
        try:
            found = read_update(data, attributes)
        except CommandError as fault:
            check_error(fault, data)
            continue
        said = {**read(found.message.body), **attributes}
        envelope = read(data)
        if envelope != read(found.message.body):
            said.update(notification_attributes(envelope.get("MessageAttributes")))
        named = [said[name] for name in ("project_id", "ProjectId") if name in said]
        if isinstance(found, ForEverybody):
            check(not named and (said.get("broadcast") is True or said.get("Broadcast") == "true"), "a leak", data)
        else:
            check(set(named) == {found.project_id} and is_project_id(found.project_id), "another project", data)


# Tokens

_AUTHENTICATOR: Final = make()


def token(data: bytes) -> None:
    """A token as it is; with a line feed in it, a header and claims to be signed. Unauthorized, or an identity that a
    plain verification agrees with."""
    header, separator, payload = data.partition(b"\n")
    text = signed(header, payload) if separator else data.decode("latin-1")
    answer = answer_to(text, _AUTHENTICATOR)
    if not isinstance(answer, Identity):
        check_error(answer, data, ErrorCode.UNAUTHORIZED)
        return
    check(separator, "taken without a signature", data)
    options: Any = {"require": ["exp", "sub"]}
    plain = jwt.decode(text, SECRET, ["HS256"], options, audience=AUDIENCE, issuer=ISSUER, leeway=5)
    check(plain["sub"] == answer.user_id and plain["exp"] == answer.expires_at, "another identity", data)
    check(set(answer.projects) == set(plain.get("projects", ())), "other projects", data)
    granted = {right.partition(":")[0] for right in plain.get("rights", ())}
    check({right.partition(":")[0] for right in answer.rights} <= granted, "other rights", data)


def keys(data: bytes) -> None:
    """A document that should be a JWK set, and claims: keys or ValueError, an identity or InvalidClaims."""
    try:
        for key in jwks_keys(data):
            check(not isinstance(key.material, bytes), "a shared secret", data)
            check(not any(name.startswith("HS") for name in key.algorithms), "HMAC", data)
    except ValueError:
        pass
    try:
        identity_from_claims(json.loads(data))
    except (ValueError, AttributeError, InvalidClaims, RecursionError):
        return


def extensions(data: bytes) -> None:
    """`Sec-WebSocket-Extensions`: what we agree on was offered, as the `websockets` library reads the header."""
    text = data.decode("latin-1").strip()
    try:
        agreed = agreed_extensions([text])
    except ValueError:
        return
    try:
        offered = parse_extension(text)
    except InvalidHandshake as fault:
        raise Violation(f"only we can read it: {fault}; input: {data!r}") from None
    check(not agreed or any(name == "permessage-deflate" for name, _ in offered), f"agreed on {agreed}", data)


HARNESSES: Final[dict[str, Harness]] = {
    "frames": frames,
    "deflate": deflate,
    "http": handshake,
    "extensions": extensions,
    "text": command,
    "publications": publication_body,
    "updates": updates,
    "tokens": token,
    "keys": keys,
}
"""By the folder of `corpus/` that holds their cases."""
