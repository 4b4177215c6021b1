"""permessage-deflate (RFC 7692) without memory between messages: each message is compressed alone, in both directions.

Outgoing, the process has one compressor, which forgets everything after each message. So a frame is made once for all
connections. Incoming, each message gets its own inflater: with a shared one, a client could refer back to what another
client sent.
"""

import zlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from websocket_handler.protocol.codes import CloseCode
from websocket_handler.protocol.frame_decoder import Event, ProtocolViolation, check_utf8
from websocket_handler.protocol.frames import binary_frame, deflated_frame, text_frame

THRESHOLD_BYTES: Final = 256
"""Smaller payloads are not compressed: that saves few bytes, and the work is the same."""
MADE_BYTES_MAX: Final = 4_194_304
"""How many bytes the newest frames and the payloads that they were made from may take together."""
_LEVEL: Final = 1  # docs/decisions/0012: half the work of level 6, and 1 to 10 % more bytes
_WINDOW_BITS: Final = -15  # raw deflate, the largest window
_TAIL: Final = b"\0\0\xff\xff"  # section 7.2.1: every flush ends with it, and it is not sent
_LAST_BLOCK: Final = b"\x01\0\0\xff\xff"  # an empty block, marked as the last one: whatever ends before it is complete
_AFTER_LAST_BLOCK: Final = (b"", _TAIL + _LAST_BLOCK, b"\0" + _TAIL + _LAST_BLOCK)
_ENTRY_BYTES: Final = 250

_KINDS: Final = {Event.DEFLATED_TEXT: Event.TEXT, Event.DEFLATED_BINARY: Event.BINARY}
"""The event that a compressed message becomes after it was unpacked."""


class DeflateFraming:
    """A framing (protocol.frames) that compresses the payloads that get smaller. All connections that agreed on
    permessage-deflate share it."""

    __slots__ = ("_compressor", "_made", "_made_bytes", "_made_bytes_max")

    def __init__(self, made_bytes_max: int = MADE_BYTES_MAX) -> None:
        self._compressor = _new_compressor()
        self._made: OrderedDict[bytes, bytes] = OrderedDict()
        self._made_bytes = 0
        self._made_bytes_max = made_bytes_max

    def text(self, payload: bytes) -> bytes:
        """One frame for one connection."""
        deflated = self._deflated(payload)
        return text_frame(payload) if deflated is None else deflated_frame(deflated)

    def binary(self, payload: bytes) -> bytes:
        """One binary frame for one connection."""
        deflated = self._deflated(payload)
        return binary_frame(payload) if deflated is None else deflated_frame(deflated, is_binary=True)

    def texts(self, payloads: Sequence[bytes]) -> bytes:
        """The frames of publications. A client that catches up gets the same frames that were made for the others."""
        if len(payloads) == 1:
            return self._shared(payloads[0])
        return b"".join([self._shared(payload) for payload in payloads])

    def _shared(self, payload: bytes) -> bytes:
        if len(payload) < THRESHOLD_BYTES:
            return text_frame(payload)
        frame = self._made.get(payload)
        if frame is None:
            frame = self._made[payload] = self.text(payload)
            self._made_bytes += len(payload) + len(frame) + _ENTRY_BYTES
            while self._made_bytes > self._made_bytes_max:
                oldest, made = self._made.popitem(last=False)
                self._made_bytes -= len(oldest) + len(made) + _ENTRY_BYTES
        return frame

    def _deflated(self, payload: bytes) -> bytes | None:
        """The compressed payload without the tail; None if compression saves nothing."""
        if len(payload) < THRESHOLD_BYTES:
            return None
        compressor = self._compressor
        try:
            # A full flush forgets everything: nothing later refers back to this message.
            deflated = compressor.compress(payload) + compressor.flush(zlib.Z_FULL_FLUSH)
        except BaseException:
            self._compressor = _new_compressor()  # otherwise half a message would come out before the next one
            raise
        size = len(deflated) - len(_TAIL)
        return deflated[:size] if size < len(payload) else None


def _new_compressor() -> "zlib._Compress":
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW_BITS)


def inflated(event: Event, payload: bytes, message_bytes_max: int) -> tuple[Event, bytes]:
    """Unpack the message of a DEFLATED_TEXT or DEFLATED_BINARY. Returns it as TEXT or BINARY; or OVERSIZE once it is
    larger than `message_bytes_max`, even if the rest of it is damaged. Raises ProtocolViolation with 1007 if the
    payload is not deflate, or if the text in it is not UTF-8."""
    inflater = zlib.decompressobj(_WINDOW_BITS)
    try:
        message = inflater.decompress(payload + _TAIL + _LAST_BLOCK, message_bytes_max + 1)
    except zlib.error:
        raise _not_deflate() from None
    if len(message) > message_bytes_max:
        return (Event.OVERSIZE, b"")
    if not inflater.eof or inflater.unused_data not in _AFTER_LAST_BLOCK:
        raise _not_deflate()
    if event is Event.DEFLATED_TEXT:
        check_utf8(message)
    return (_KINDS[event], message)


def _not_deflate() -> ProtocolViolation:
    return ProtocolViolation(CloseCode.INVALID_UTF8, "the compressed message cannot be decompressed")
