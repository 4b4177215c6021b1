"""Reads what the gateway writes with the `websockets` library, as a client would."""

from __future__ import annotations

import zlib

from websockets.frames import Frame
from websockets.streams import StreamReader

from websocket_handler.protocol.frames import RSV1


def read_back(data: bytes) -> list[Frame]:
    """The frames in `data`, as a client reads them."""
    reader = StreamReader()
    reader.feed_data(data)
    found: list[Frame] = []
    while not _is_at_end(reader):
        step = Frame.parse(reader.read_exact, mask=False)
        try:
            next(step)
        except StopIteration as end:
            found.append(end.value)
        else:
            raise AssertionError("a frame is cut short")
    return found


def _is_at_end(reader: StreamReader) -> bool:
    step = reader.read_exact(1)
    if not reader.buffer:
        step.close()
        return True
    step.close()
    return False


def unpacked(data: bytes) -> list[tuple[bool, bytes]]:
    """The messages in the frames of the gateway: True if it is compressed, and its payload. Each is decompressed alone,
    as by a client that agreed on `server_no_context_takeover`."""
    found: list[tuple[bool, bytes]] = []
    while data:
        is_compressed = bool(data[0] & RSV1)
        (frame,) = read_back(bytes((data[0] & ~RSV1,)) + data[1 : frame_bytes(data)])
        payload = bytes(frame.data)
        if is_compressed:
            payload = zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff")
        found.append((is_compressed, payload))
        data = data[frame_bytes(data) :]
    return found


def frame_bytes(data: bytes) -> int:
    """The length of the first frame in `data`."""
    if data[1] < 126:
        return 2 + data[1]
    header = 4 if data[1] == 126 else 10
    return header + int.from_bytes(data[2:header])
