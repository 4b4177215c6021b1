"""What a client sends, byte by byte: frames as RFC 6455 section 5.2 draws them, right and wrong."""

import zlib
from collections.abc import Iterable, Sequence
from itertools import pairwise

from websocket_handler.protocol.deflate import inflated
from websocket_handler.protocol.frame_decoder import Event, FrameDecoder, ProtocolViolation

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
Outcome = tuple[Event, bytes] | int
"""An event, or at the end the close code of a violation."""


def client_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\x01\x82\x7f\xff",
    length_bytes: int | None = None,
) -> bytes:
    """One frame. `mask` None leaves it unmasked; `length_bytes` (0, 2 or 8) forces a form of the length."""
    length = len(payload)
    if length_bytes is None:
        length_bytes = 0 if length < 126 else 2 if length < 65536 else 8
    masked = 0x80 if mask is not None else 0
    head = bytes((fin << 7 | rsv << 4 | opcode, masked | {0: length, 2: 126, 8: 127}[length_bytes]))
    extended = length.to_bytes(length_bytes) if length_bytes else b""
    if mask is None:
        return head + extended + payload
    return head + extended + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def deflated(payload: bytes, *, level: int = 9, window_bits: int = 15) -> bytes:
    """The payload of a compressed message (RFC 7692 section 7.2.1)."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, -window_bits)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


def outcomes(chunks: Iterable[bytes], message_bytes_max: int = 65536, *, inflates: bool = False) -> list[Outcome]:
    """What the decoder makes of a stream, up to its end; compressed messages are unpacked in their turn."""
    decoder = FrameDecoder(message_bytes_max, inflates=inflates)
    found: list[Outcome] = []
    for chunk in chunks:
        end: list[Outcome] = []
        try:
            events = decoder.receive(chunk)
        except ProtocolViolation as violation:
            events, end = violation.events, [int(violation.close_code)]
        for event, payload in events:
            if event in (Event.DEFLATED_TEXT, Event.DEFLATED_BINARY):
                try:
                    found.append(inflated(event, payload, message_bytes_max))
                except ProtocolViolation as violation:
                    return [*found, int(violation.close_code)]
            else:
                found.append((event, payload))
        if end or (events and events[-1][0] is Event.CLOSE):
            return [*found, *end]
    return found


def cut(stream: bytes, places: Sequence[int]) -> list[bytes]:
    """The stream in pieces, cut at these places."""
    ends = sorted({place % (len(stream) + 1) for place in places} | {0, len(stream)})
    return [stream[start:end] for start, end in pairwise(ends)]


def each_byte(stream: bytes) -> list[bytes]:
    """The stream, one byte at a time."""
    return [stream[index : index + 1] for index in range(len(stream))]
