"""Makes WebSocket frames for clients: bytes that are made once and sent to everyone (RFC 6455 section 5.2)."""

from collections.abc import Sequence
from typing import Final, Protocol

FRAME_HEADER_MAX_BYTES: Final = 10
RSV1: Final = 0x40
"""Set on the first frame of a compressed message (RFC 7692 section 6)."""
_TEXT: Final = 0x81  # FIN and opcode 1
_BINARY: Final = 0x82
_CLOSE: Final = 0x88
_PING: Final = 0x89
_PONG: Final = 0x8A


_SHORT_HEADERS: Final = tuple(bytes((_TEXT, length)) for length in range(126))


def _text_header(length: int) -> bytes:
    if length < 126:
        return _SHORT_HEADERS[length]
    if length < 65536:
        return b"\x81\x7e" + length.to_bytes(2)
    return b"\x81\x7f" + length.to_bytes(8)


def text_frame(payload: bytes) -> bytes:
    """One unfragmented, unmasked text frame. `payload` is UTF-8."""
    length = len(payload)
    if length < 126:
        return _SHORT_HEADERS[length] + payload
    if length < 65536:
        return b"\x81\x7e%b%b" % (length.to_bytes(2), payload)
    return _text_header(length) + payload


def binary_frame(payload: bytes) -> bytes:
    """One unfragmented, unmasked binary frame."""
    header = _text_header(len(payload))
    return bytes((_BINARY,)) + header[1:] + payload


def deflated_frame(payload: bytes, *, is_binary: bool = False) -> bytes:
    """One unfragmented, unmasked frame of a compressed message. `payload` is compressed as in RFC 7692 section
    7.2.1."""
    header = _text_header(len(payload))
    return bytes(((_BINARY if is_binary else _TEXT) | RSV1,)) + header[1:] + payload


def text_frames(payloads: Sequence[bytes]) -> bytes:
    """The frames of several payloads, one after the other, for a single write."""
    if len(payloads) == 1:
        return text_frame(payloads[0])
    parts: list[bytes] = []
    for payload in payloads:
        parts.append(_text_header(len(payload)))
        parts.append(payload)
    return b"".join(parts)


def cut(payloads: Sequence[bytes], bytes_max: int) -> list[Sequence[bytes]]:
    """Divide payloads into writes of at most `bytes_max` bytes, so that an outbox exceeds its limit by one write at
    most. A larger payload is written alone."""
    if len(payloads) == 1:
        return [payloads]
    pieces: list[Sequence[bytes]] = []
    start = size = 0
    for index, payload in enumerate(payloads):
        length = len(payload) + FRAME_HEADER_MAX_BYTES
        if size + length > bytes_max and index > start:
            pieces.append(payloads[start:index])
            start, size = index, 0
        size += length
    pieces.append(payloads[start:])
    return pieces


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame. The reason is cut so that it fits into the 125 bytes of a control frame (RFC 6455 section 5.5)."""
    text = reason.encode()[:123].decode(errors="ignore").encode()
    return bytes((_CLOSE, 2 + len(text))) + code.to_bytes(2) + text


def ping_frame(payload: bytes = b"") -> bytes:
    """A ping frame; `payload` is at most 125 bytes."""
    return bytes((_PING, len(payload))) + payload


def pong_frame(payload: bytes = b"") -> bytes:
    """A pong frame; `payload` is at most 125 bytes."""
    return bytes((_PONG, len(payload))) + payload


class Framing(Protocol):
    """How messages become frames on a connection: what its handshake agreed on. All connections that agreed on the same
    share one framing."""

    def text(self, payload: bytes) -> bytes:
        """One frame for one connection."""
        ...

    def texts(self, payloads: Sequence[bytes]) -> bytes:
        """The frames of publications, which go to other connections as well."""
        ...

    def binary(self, payload: bytes) -> bytes:
        """One binary frame for one connection."""
        ...


class _PlainFraming:
    __slots__ = ()
    text = staticmethod(text_frame)
    texts = staticmethod(text_frames)
    binary = staticmethod(binary_frame)


PLAIN: Final[Framing] = _PlainFraming()
"""The framing without extensions."""
