"""PURE: what comes in must be JSON in UTF-8, without a byte order mark and not compressed. Only this file knows other
encodings and their names.

The fields of a request are checked before its body is read. A text is examined only after a reader has refused it. So a
correct text costs nothing here, and no text is refused only for its first bytes.
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Sequence
from typing import Final

from websocket_handler.protocol.codes import CommandError, ErrorCode

COMPRESSIONS: Final = {
    b"\x1f\x8b": "gzip",
    b"\x1f\x9d": "compress",
    b"\x78\x01": "zlib",
    b"\x78\x5e": "zlib",
    b"\x78\x9c": "zlib",
    b"\x78\xda": "zlib",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x04\x22\x4d\x18": "lz4",
    b"PK\x03\x04": "zip",
}
"""The first bytes of compressed data. Brotli and raw deflate have no such mark."""
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
MARKED: Final = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
"""The byte order marks of other encodings, the longer ones first."""
_UNMARKED: Final[dict[tuple[bool, ...], str]] = {
    (True, True, True, False): "UTF-32",
    (False, True, True, True): "UTF-32",
    (True, False, True, False): "UTF-16",
    (False, True, False, True): "UTF-16",
}
"""Which of the first four bytes are zero in JSON without a byte order mark (RFC 4627 section 3)."""
_BASE64_START: Final = re.compile(rb"[A-Za-z0-9+/]{8}")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}", re.ASCII)
_PARAMETERS: Final = re.compile(r""";[ \t]*([^=;," \t]+)=(?:"((?:[^"\\]|\\.)*)"?|([^";, \t]*))""", re.ASCII)
"""The parameters of a field, each as its name and either its quoted value or its plain one (RFC 9110 section 5.6.6)."""
_UTF8: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
"""ASCII is here because ASCII text is UTF-8 text."""
_PLAIN: Final = frozenset({"", "identity"})


def check_fields(
    content_type: Sequence[str], content_encoding: Sequence[str], transfer_encoding: Sequence[str]
) -> None:
    """Raises CommandError with `unsupported_encoding` unless the body of a request with these fields can be JSON in
    UTF-8.

    A transfer coding gets 415, too, and not 501 (RFC 9112 section 6.1), because one error code has one status.
    """
    for name, values, plain in (
        ("Content-Encoding", content_encoding, _PLAIN),
        ("Transfer-Encoding", transfer_encoding, _PLAIN | {"chunked"}),
    ):
        for element in ",".join(values).split(","):
            if element.strip(" \t").lower() not in plain:
                raise _compressed(f"{name} {_shown(element)}is not supported: send the body uncompressed")
    for name, quoted, plain_value in _PARAMETERS.findall(", ".join(content_type)):
        charset = quoted or plain_value
        if name.lower() == "charset" and charset.lower() not in _UTF8:
            raise _unsupported(f"charset {_shown(charset)}is not supported: send UTF-8")


def not_json(text: bytes, error: str) -> CommandError:
    """The answer to a UTF-8 text that is no JSON. It says what the text is, if that is known, else what the reader
    found."""
    known = _known_form(text)
    return _invalid(error if known is None else f"the text {known}")


def not_utf8(text: bytes) -> CommandError:
    """The answer to bytes that are not UTF-8: `unsupported_encoding` if their encoding is known."""
    compression, charset = _compression(text), _charset(text)
    if compression is not None:
        return _compressed(f"Invalid JSON: the text is compressed with {compression}")
    if charset is not None:
        return _unsupported(f"Invalid JSON: the text is {charset}; send UTF-8")
    return _invalid("not UTF-8")


def why_not_utf8(text: bytes) -> str:
    """The same reason in few words, for a close frame."""
    compression = _compression(text)
    known = _charset(text) if compression is None else f"compressed with {compression}"
    return "the text is not UTF-8" if known is None else f"the text is not UTF-8: it is {known}"


def _compression(text: bytes) -> str | None:
    return next((name for start, name in COMPRESSIONS.items() if text.startswith(start)), None)


def _charset(text: bytes) -> str | None:
    marked = next((name for start, name in MARKED.items() if text.startswith(start)), None)
    return marked or _UNMARKED.get(tuple(byte == 0 for byte in text[:4]))


def _known_form(text: bytes) -> str | None:
    """What a text in UTF-8 is that is no JSON; None if that is unknown."""
    text = text.lstrip(b" \t\r\n")
    if not text:
        return "is empty"
    if text.startswith(BYTE_ORDER_MARK):
        return "begins with a byte order mark; send it without one"
    charset = _charset(text)
    if charset is not None:  # a text of ASCII characters in UTF-16 is also valid UTF-8
        return f"is {charset}; send UTF-8"
    if text.startswith(b"--"):
        return "is a multipart form"
    if text[:3].upper() in (b"%7B", b"%5B"):
        return "is percent-encoded"
    return _in_base64(text[:16]) if _BASE64_START.match(text) else None


def _in_base64(start: bytes) -> str | None:
    try:
        inside = a2b_base64(start[: len(start) // 4 * 4])
    except Base64Error:
        return None
    compression = _compression(inside)
    if compression is not None:
        return f"is base64 of {compression}"
    return "is base64 of JSON" if inside.startswith((b'{"', b"[{", b"{\n", b"{ ")) else None


def _shown(value: str) -> str:
    value = value.strip(" \t")
    return f"{value} " if _TOKEN.fullmatch(value) else ""


def _compressed(reason: str) -> CommandError:
    """The `Accept-Encoding` of the response says that the coding was the fault (RFC 9110 section 15.5.16)."""
    return CommandError(ErrorCode.UNSUPPORTED_ENCODING, reason, headers={"Accept-Encoding": "identity"})


def _unsupported(reason: str) -> CommandError:
    return CommandError(ErrorCode.UNSUPPORTED_ENCODING, reason)


def _invalid(reason: str) -> CommandError:
    return CommandError(ErrorCode.INVALID_JSON, f"Invalid JSON: {reason}")
