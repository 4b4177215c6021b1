"""Decodes WebSocket frames from clients: bytes in, events out. It accepts what RFC 6455 section 5 allows, and no more.

Each connection has one decoder, which holds nothing between two frames. If a message is too large, the decoder skips it
and does not store it. So the stream stays in step, and the gateway can tell the client. Compressed messages (RFC 7692)
come out still compressed: `deflate.inflated` unpacks each one when its turn comes, so a packet with many of them never
takes more memory than one unpacked message.
"""

import codecs
from enum import Enum, auto
from typing import Final

from websocket_handler.protocol.codes import CloseCode
from websocket_handler.protocol.encodings import why_not_utf8

MESSAGE_FRAMES_MAX: Final = 1024
"""The most fragments of one message. With more of them the connection ends with 1008."""
DISCARD_BYTES_MAX: Final = 16_777_216
"""The largest message that the decoder skips. A larger one ends the connection with 1009."""
DEFLATE_EXTRA_BYTES: Final = 64
"""A compressed message may be larger than the limit by an eighth and by this. So a message of exactly the limit passes
even if compression makes it longer."""

_FIN, _MASK, _RESERVED, _RSV1 = 0x80, 0x80, 0x70, 0x40
_WHOLE_TEXT: Final = _FIN | 0x1
_KIND: Final = _RSV1 | 0x0F
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_CLOSE_CODES: Final = frozenset((*range(1000, 1004), *range(1007, 1015)))
_integer: Final = int.from_bytes
_Utf8Decoder: Final = codecs.getincrementaldecoder("utf-8")


class Event(Enum):
    """What a client sent."""

    TEXT = auto()
    """A whole message; the payload is valid UTF-8."""
    BINARY = auto()
    """A whole binary message."""
    DEFLATED_TEXT = auto()
    """A whole compressed text. Nothing in its payload was checked."""
    DEFLATED_BINARY = auto()
    OVERSIZE = auto()
    """A message became larger than the limit. The decoder skips the rest of it."""
    PING = auto()
    PONG = auto()
    CLOSE = auto()
    """A close frame. The payload is empty, or two bytes of code and a reason. No event follows."""


_KINDS: Final = {
    _TEXT: Event.TEXT,
    _BINARY: Event.BINARY,
    _TEXT | _RSV1: Event.DEFLATED_TEXT,
    _BINARY | _RSV1: Event.DEFLATED_BINARY,
}


class ProtocolViolation(Exception):
    """The stream breaks RFC 6455, or a limit after which it cannot stay in step: the connection has to end.

    `events` are those that were complete before the fault in the same bytes. So the result does not depend on how the
    network cut the bytes into packets.
    """

    def __init__(self, close_code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.close_code = close_code
        self.reason = reason
        self.events: list[tuple[Event, bytes]] = []


class FrameDecoder:
    """Decodes the frames of one client. Do not use it again after a ProtocolViolation or a CLOSE."""

    __slots__ = (
        "_frames",
        "_held",
        "_inflates",
        "_is_discarding",
        "_message_bytes_max",
        "_needed",
        "_opcode",
        "_parts",
        "_size",
        "_skip",
        "_utf8",
    )

    def __init__(self, message_bytes_max: int, *, inflates: bool = False) -> None:
        """`inflates` is true if the handshake agreed on permessage-deflate."""
        self._message_bytes_max = message_bytes_max
        self._inflates = inflates
        self._held: bytearray | None = None  # an incomplete frame
        self._needed = 0
        self._skip = 0  # how many bytes are still to be skipped
        self._opcode = _CONTINUATION  # of the message in progress, with RSV1 if compressed; 0 between messages
        self._parts: list[bytes] | None = None
        self._size = 0
        self._frames = 0
        self._is_discarding = False
        self._utf8: codecs.IncrementalDecoder | None = None

    def receive(self, data: bytes) -> list[tuple[Event, bytes]]:
        """The events that these bytes complete. Raises ProtocolViolation."""
        events: list[tuple[Event, bytes]] = []
        if self._skip:
            dropped = min(self._skip, len(data))
            self._skip -= dropped
            data = data[dropped:]
        if self._held is not None:
            self._held += data
            if len(self._held) < self._needed:
                return events
            data, self._held = bytes(self._held), None
        position, end = 0, len(data)
        while position < end:
            size = self._whole_text(data, position, end, events) if data[position] == _WHOLE_TEXT else 0
            if size:
                position += size
                continue
            try:
                size = self._frame(data, position, end, events)
            except ProtocolViolation as violation:
                violation.events = events
                raise
            if not size:
                self._held = bytearray(data[position:])
                break
            position += size
            if events and events[-1][0] is Event.CLOSE:
                break  # section 5.5.1: whatever follows a close frame is ignored
        return events

    def _whole_text(self, data: bytes, position: int, end: int, events: list[tuple[Event, bytes]]) -> int:
        """Decode a frame that is a whole text, complete and in no way special: nearly all frames are. Returns how many
        bytes it took; 0 if `_frame` has to look at it."""
        start = position + 6
        if start > end or self._opcode:
            return 0
        length = data[position + 1] ^ _MASK
        if length > 125:
            start += 2
            if length != 126 or start > end:
                return 0
            length = data[position + 2] << 8 | data[position + 3]
            if length < 126:
                return 0
        stop = start + length
        if stop > end or length > self._message_bytes_max:
            return 0
        payload = _unmask(data[start - 4 : start], data[start:stop])
        if not payload.isascii():
            try:
                payload.decode()
            except UnicodeDecodeError:
                return 0
        events.append((Event.TEXT, payload))
        return stop - position

    def _frame(self, data: bytes, position: int, end: int, events: list[tuple[Event, bytes]]) -> int:
        """Decode one frame. Returns how many bytes it took; 0 if it is not complete."""
        available = end - position
        if available < 2:
            self._needed = 2
            return 0
        first, second = data[position], data[position + 1]
        opcode, length = first & 0x0F, second & 0x7F
        self._check_header(first, second, opcode, length)
        header = 6 if length < 126 else 8 if length == 126 else 14
        if available < header:
            self._needed = header
            return 0
        if length >= 126:
            length = _extended_length(data[position + 2 : position + header - 4])
        if (
            opcode < _CLOSE
            and (self._is_discarding or self._size + length > self._message_bytes_max)
            and self._is_beyond(first, length)
        ):
            self._discard(opcode, length, first >= _FIN, events)
            taken = min(available, header + length)
            self._skip = header + length - taken
            return taken
        if available < header + length:
            self._needed = header + length
            return 0
        start = position + header
        payload = _unmask(data[start - 4 : start], data[start : start + length])
        if opcode >= _CLOSE:
            events.append(_control(opcode, payload))
        else:
            self._data(first & _KIND, payload, first >= _FIN, events)
        return header + length

    def _check_header(self, first: int, second: int, opcode: int, length: int) -> None:
        if first & _RESERVED:
            self._check_reserved(first, opcode)
        if second < _MASK:
            raise _violation("client frames must be masked")  # section 5.1
        if opcode >= _CLOSE:
            if opcode > _PONG:
                raise _violation("unknown opcode")
            if first < _FIN or length > 125:
                raise _violation("a control frame must not be fragmented, and has at most 125 bytes")  # section 5.5
        elif opcode > _BINARY:
            raise _violation("unknown opcode")
        elif (opcode == _CONTINUATION) != (self._opcode != _CONTINUATION):
            raise _violation("a continuation frame without a message, or a message inside another one")  # section 5.4

    def _check_reserved(self, first: int, opcode: int) -> None:
        """RFC 6455 section 5.2, RFC 7692 section 6: only RSV1, and only where a message begins."""
        if not self._inflates or first & _RESERVED != _RSV1:
            raise _violation("reserved bits are set without an extension")
        if opcode not in (_TEXT, _BINARY):
            raise _violation("only the first frame of a message may have RSV1")

    def _is_beyond(self, first: int, length: int) -> bool:
        """True if this frame makes its message too large. Compression makes some texts a little longer, so a compressed
        message may be a little larger."""
        if self._is_discarding or not (first | self._opcode) & _RSV1:
            return True
        return self._size + length > self._message_bytes_max + self._message_bytes_max // 8 + DEFLATE_EXTRA_BYTES

    def _count(self, length: int) -> None:
        self._frames += 1
        self._size += length
        if self._frames > MESSAGE_FRAMES_MAX:
            raise ProtocolViolation(CloseCode.POLICY, f"a message has at most {MESSAGE_FRAMES_MAX} frames")
        if self._size > DISCARD_BYTES_MAX:
            raise ProtocolViolation(CloseCode.TOO_BIG, "the message is so large that the gateway cannot read past it")

    def _discard(self, opcode: int, length: int, is_final: bool, events: list[tuple[Event, bytes]]) -> None:
        """Count a frame of a message that is too large; its payload is skipped."""
        self._count(length)
        if not self._is_discarding:
            events.append((Event.OVERSIZE, b""))
        self._is_discarding = True
        self._opcode = self._opcode or opcode
        self._parts = None
        if is_final:
            self._end_message()

    def _end_message(self) -> None:
        self._opcode = _CONTINUATION
        self._parts = None
        self._size = self._frames = 0
        self._is_discarding = False
        self._utf8 = None

    def _data(self, opcode: int, payload: bytes, is_final: bool, events: list[tuple[Event, bytes]]) -> None:
        if is_final and opcode != _CONTINUATION:  # one frame is the whole message: nearly always
            if opcode == _TEXT:
                check_utf8(payload)
            events.append((_KINDS[opcode], payload))
            return
        self._count(len(payload))
        self._opcode = self._opcode or opcode
        if self._parts is None:
            self._parts = []
            self._utf8 = _Utf8Decoder() if self._opcode == _TEXT else None
        self._parts.append(payload)
        if self._utf8 is not None:
            try:  # fail at the first bad fragment, not at the end (section 8.1)
                self._utf8.decode(payload, is_final)
            except UnicodeDecodeError:
                raise _bad_utf8(b"".join(self._parts)) from None
            if _begins_surrogate(self._utf8.getstate()[0]):
                raise _bad_utf8(b"".join(self._parts))
        if is_final:
            events.append((_KINDS[self._opcode], b"".join(self._parts)))
            self._end_message()


def _extended_length(digits: bytes) -> int:
    length = int.from_bytes(digits)
    if length < 126 or (len(digits) == 8 and length < 65536):
        raise _violation("the length is not in its shortest form")  # section 5.2
    if length >= 1 << 63:
        raise _violation("the length's highest bit is set")  # section 5.2
    return length


def _unmask(mask: bytes, payload: bytes) -> bytes:
    """Remove the mask (section 5.3), with whole integers: CPython has no faster way without compiled code."""
    length = len(payload)
    key = mask * (length >> 2) + mask[: length & 3]
    return (_integer(payload, "little") ^ _integer(key, "little")).to_bytes(length, "little")


def _begins_surrogate(held: bytes) -> bool:
    """True if the decoder waits for the third byte of a surrogate: the two bytes that it holds can become nothing
    else."""
    return len(held) == 2 and held[0] == 0xED and held[1] >= 0xA0


def check_utf8(payload: bytes) -> None:
    """Raises ProtocolViolation with 1007 unless the payload is UTF-8 (RFC 6455 section 8.1)."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        raise _bad_utf8(payload) from None


def _control(opcode: int, payload: bytes) -> tuple[Event, bytes]:
    if opcode == _PING:
        return (Event.PING, payload)
    if opcode == _PONG:
        return (Event.PONG, payload)
    if len(payload) == 1:
        raise _violation("a close code must have two bytes")  # section 5.5.1
    if payload:
        code = int.from_bytes(payload[:2])
        if code not in _CLOSE_CODES and not 3000 <= code <= 4999:
            raise _violation("this close code must not be sent")  # section 7.4
        check_utf8(payload[2:])
    return (Event.CLOSE, payload)


def _violation(reason: str) -> ProtocolViolation:
    return ProtocolViolation(CloseCode.PROTOCOL_ERROR, reason)


def _bad_utf8(text: bytes) -> ProtocolViolation:
    return ProtocolViolation(CloseCode.INVALID_UTF8, why_not_utf8(text))
