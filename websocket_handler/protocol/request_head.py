"""PURE: reads the head of an HTTP request from bytes, and checks it. This is the only place for that: for the first
request of a connection and for every later one, for handshakes and for all other requests.

httptools parses. This file checks the rules that it does not check; `net/handshake.py` checks what only a handshake
needs.
"""

import re
from collections.abc import Sequence
from itertools import chain
from typing import Final
from urllib.parse import unquote

import httptools
from msgspec import Struct

from websocket_handler.protocol.codes import CommandError, ErrorCode

OWS: Final = " \t"
"""White space around a value (RFC 9110 section 5.6.3). Other characters that Latin-1 counts as space belong to the
value."""
TARGET_BYTES_MAX: Final = 65_535
"""httptools divides no longer URL into its parts."""
_END_OF_HEAD: Final = b"\r\n\r\n"
_VERSIONS: Final = ("1.0", "1.1")
_SCHEMES: Final = (b"http", b"https", b"ws", b"wss")
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
"""`uri-host [ ":" port ]` (RFC 9110 section 7.2, RFC 3986 section 3.2.2)."""
_PLAIN_TARGET: Final = re.compile(rb"(/[A-Za-z0-9._~/-]*)(?:\?([A-Za-z0-9._~/:=&,+-]+))?")
"""A target in origin-form without characters that have to be decoded. Nearly every handshake has one."""
_UPGRADE: Final = ["websocket"]
"""What clients write, but for the case of its letters, which is free."""
_NO_PROXY_PROTOCOL: Final = (
    "this port does not speak the PROXY protocol: let the proxy send X-Forwarded-For (TRUSTED_PROXY_HOPS)"
)
_NO_TLS: Final = "this port speaks HTTP without TLS: use http:// and ws://, or end TLS in front of it"
_OTHER_PROTOCOLS: Final = {
    b"\x15": _NO_TLS,
    b"\x16": _NO_TLS,
    b"PRI * HTTP/2": "this port speaks HTTP/1.1, not HTTP/2",
    b"PROX": _NO_PROXY_PROTOCOL,
    b"\r\n\r\n\x00": _NO_PROXY_PROTOCOL,
}
"""How other protocols begin, as far as the parser reads, and what the gateway answers to them."""


class HeadTooLarge(CommandError):
    """The answer to a request head above the limit: 431 (RFC 6585 section 5)."""

    def __init__(self, bytes_max: int) -> None:
        reason = f"a request head has at most {bytes_max} bytes (HEAD_BYTES)"
        super().__init__(ErrorCode.MESSAGE_TOO_LARGE, reason, setting="HEAD_BYTES")

    @property
    def status(self) -> int:
        return 431


class TargetTooLong(CommandError):
    """The answer to a request target that the parser cannot divide into its parts: 414 (RFC 9110 section 15.5.15)."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.MESSAGE_TOO_LARGE, f"a request target has at most {TARGET_BYTES_MAX} bytes")

    @property
    def status(self) -> int:
        return 414


class Target(Struct, frozen=True):
    """What a request line asks for."""

    path: str
    """Percent-decoded path."""
    query: str
    origin_form: bytes
    """The same target without scheme and authority."""
    authority: str
    """The host and port in the request line; empty if it names none."""


class RequestHead(Struct, frozen=True):
    """A request head that follows the rules of HTTP/1.1."""

    method: str
    target: Target
    version: str
    headers: dict[str, list[str]]
    """The values of each field, in their order, by the field's name in lower case."""
    size: int
    """How many bytes the head has if it is written as usual, with one space before each value."""

    @property
    def host(self) -> str:
        """The host that the client wants to reach (RFC 9112 section 3.2.2: the request line counts, not `Host`)."""
        return self.target.authority or self.headers.get("host", [""])[0]

    @property
    def wants_websocket(self) -> bool:
        """True if the request asks for a WebSocket."""
        values = self.headers.get("upgrade")
        return values is not None and (values == _UPGRADE or "websocket" in _elements(values))

    def elements(self, name: str) -> list[str]:
        """The elements of a field that is a list of tokens, in lower case. A list may stand in several lines
        (RFC 9110 section 5.3)."""
        return _elements(self.headers.get(name, ()))


def _elements(values: Sequence[str]) -> list[str]:
    return [element.strip(OWS).lower() for value in values for element in value.split(",")]


def request_head(method: bytes, target: bytes, version: str, fields: Sequence[tuple[bytes, bytes]]) -> RequestHead:
    """Make a request head of what a parser found. Raises CommandError if it breaks a rule: `invalid_field`,
    `message_too_large`."""
    if version not in _VERSIONS:
        raise _bad(f"this port speaks HTTP/1.1, not HTTP/{version}")
    if method == b"CONNECT":
        raise _bad("this port is no proxy: it knows no CONNECT")
    headers: dict[str, list[str]] = {}
    for name, value in fields:
        field = name.decode("latin-1").lower()
        text = value.decode("latin-1").strip(OWS)
        if field in headers:
            headers[field].append(text)
        else:
            headers[field] = [text]
    hosts = headers.get("host", ())
    if len(hosts) != 1 and (hosts or version == "1.1"):
        raise _bad("a request has one Host")  # RFC 9112 section 3.2
    if hosts and _HOST.fullmatch(hosts[0]) is None:
        raise _bad("Host must be a name or an address, with a port or without")
    codings = headers.get("transfer-encoding")
    if codings and list(filter(None, _elements(codings)))[-1:] != [
        "chunked"
    ]:  # RFC 9112 section 6.3; the parser is laxer if there is an offer
        raise _bad("the last Transfer-Encoding of a request is chunked")
    size = len(method) + len(target) + len("  HTTP/1.1\r\n\r\n") + len(fields) * len(": \r\n")
    size += sum(map(len, chain.from_iterable(fields)))
    return RequestHead(method.decode("latin-1"), _target(target), version, headers, size)


def written(method: bytes, target: bytes, version: str, fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The bytes of a request head."""
    lines = b"".join([b"%b: %b\r\n" % field for field in fields])
    return b"%b %b HTTP/%b\r\n%b\r\n" % (method, target, version.encode(), lines)


def _target(target: bytes) -> Target:
    """Read a target in origin-form, absolute-form or asterisk-form (RFC 9112 section 3.2)."""
    if len(target) > TARGET_BYTES_MAX:
        raise TargetTooLong
    plain = _PLAIN_TARGET.fullmatch(target)
    if plain is not None:
        path, query = plain.groups(b"")
        return Target(path.decode("ascii"), query.decode("ascii"), target, "")
    return _parsed_target(target)


def _parsed_target(target: bytes) -> Target:
    try:
        url = httptools.parse_url(target)
        path = url.path or b"/"
        decoded = unquote(path.decode("ascii"))
        authority = (url.host or b"").decode("ascii")
    except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
        raise _bad("the request target cannot be read") from None
    if url.userinfo is not None or (url.schema is not None and url.schema.lower() not in _SCHEMES):
        raise _bad("the request target must be a URL of http or ws without a user")
    if ":" in authority:
        authority = f"[{authority}]"
    if url.port is not None:
        authority += f":{url.port}"
    query = url.query or b""
    return Target(decoded, query.decode("latin-1"), path + (b"?" + query if query else b""), authority)


class HeadReader:
    """Reads the first request head of a connection while its bytes arrive."""

    __slots__ = ("_bytes_max", "_fields", "_is_complete", "_parser", "_read", "_url", "data", "method")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self.data = b""
        """All bytes that have arrived."""
        self.method = b""
        """The request's method, once it has been read."""
        self._read = 0
        self._url = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._is_complete = False
        self._parser: httptools.HttpRequestParser | None = None

    @property
    def rest(self) -> bytes:
        """The bytes that arrived after the head."""
        return self.data[self._read :]

    def receive(self, data: bytes) -> RequestHead | None:
        """Take bytes. Returns the head as soon as it is complete. Raises CommandError as soon as the head breaks a rule
        that no further bytes can mend."""
        self.data += data
        while self._read < len(self.data) and not self._is_complete:
            self._parse_to_an_empty_line()
        if self._read > self._bytes_max:
            raise HeadTooLarge(self._bytes_max)
        if not self._is_complete or self._parser is None:
            return None
        head = request_head(self._parser.get_method(), self._url, self._parser.get_http_version(), self._fields)
        self._parser = None  # the parser and this reader hold each other
        if head.size > self._bytes_max:
            raise HeadTooLarge(self._bytes_max)
        return head

    def _parse_to_an_empty_line(self) -> None:
        """Read as far as the end of the head. Empty lines may stand before it (RFC 9112 section 2.2)."""
        end = self.data.find(_END_OF_HEAD, max(0, self._read - len(_END_OF_HEAD) + 1))
        end = len(self.data) if end < 0 else end + len(_END_OF_HEAD)
        if self._parser is None:
            self._parser = httptools.HttpRequestParser(self)
        try:
            self._parser.feed_data(self.data[self._read : end])
        except httptools.HttpParserUpgrade:
            pass  # the parser raises this for every upgrade
        except httptools.HttpParserError as error:
            raise not_http(self.data, error) from None
        self._read = end

    # Called by the parser

    def on_url(self, url: bytes) -> None:
        """The parser has read a part of the target."""
        if self._parser is not None:
            self.method = self._parser.get_method()
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser has read a whole field."""
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """The parser has read the whole head."""
        self._is_complete = True


def not_http(data: bytes, error: Exception) -> CommandError:
    """The answer to bytes that are no HTTP request. It names their protocol if that is known, else it says what the
    parser found."""
    for start, reason in _OTHER_PROTOCOLS.items():
        if data.startswith(start):
            return _bad(reason)
    return _bad(f"not an HTTP request: {error}")


def _bad(reason: str) -> CommandError:
    return CommandError(ErrorCode.INVALID_FIELD, reason)
