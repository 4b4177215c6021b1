"""What a client writes to its socket: the head of its handshake, and frames as in RFC 6455 section 5.2, right and wrong
ones."""

import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
RSV1: Final = 4
ZERO_MASK: Final = bytes(4)
KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
"""The key of RFC 6455 section 1.3."""
ACCEPT: Final = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The answer to that key."""
HANDSHAKE: Final = {
    "Host": "gateway.example",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def handshake_head(path: str = "/ws", /, **headers: str | None) -> bytes:
    """The head of a handshake. `sec_websocket_key` stands for `Sec-WebSocket-Key`. None leaves out a header that is
    usually sent."""
    usual: dict[str, str | None] = {name.lower(): value for name, value in HANDSHAKE.items()}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in (usual | given).items() if value is not None]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines]).encode("latin-1") + b"\r\n\r\n"


def client_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\x01\x82\x7f\xff",
    length_bytes: int | None = None,
) -> bytes:
    """One frame. `rsv` has the three reserved bits. If `mask` is None, the frame is unmasked. `length_bytes` (0, 2 or
    8) forces a form of the length."""
    length = len(payload)
    if length_bytes is None:
        length_bytes = 0 if length < 126 else 2 if length < 65536 else 8
    masked = 0x80 if mask is not None else 0
    head = bytes((fin << 7 | rsv << 4 | opcode, masked | {0: length, 2: 126, 8: 127}[length_bytes]))
    extended = length.to_bytes(length_bytes) if length_bytes else b""
    return head + extended + (payload if mask is None else mask + _masked(payload, mask))


def _masked(payload: bytes, mask: bytes) -> bytes:
    if mask == ZERO_MASK:
        return payload
    whole = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload) ^ int.from_bytes(whole)).to_bytes(len(payload))


def text_frame(text: str | bytes) -> bytes:
    """A text message in one frame. Its mask is zero: the RFC allows that, and it costs no time."""
    return client_frame(TEXT, text.encode() if isinstance(text, str) else text, mask=ZERO_MASK)


def deflated(payload: bytes, level: int = 9, *, window_bits: int = 15) -> bytes:
    """The compressed payload of a message (RFC 7692 section 7.2.1)."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, -window_bits)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


def cut(stream: bytes, places: Sequence[int]) -> list[bytes]:
    """The stream in pieces, cut at these places."""
    ends = sorted({place % (len(stream) + 1) for place in places} | {0, len(stream)})
    return [stream[start:end] for start, end in pairwise(ends)]


def each_byte(stream: bytes) -> list[bytes]:
    """The stream in pieces of one byte."""
    return [stream[index : index + 1] for index in range(len(stream))]
