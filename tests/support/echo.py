"""The rules of RFC 6455 about frames, as exchanges with `/__echo`: what is sent, and what comes back.

The vectors follow the sections of the RFC and the cases of the Autobahn suite (1 to 7, 9 and 10).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.support.frames import RSV1
from tests.support.frames import client_frame as frame
from tests.support.peers import Raw

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
SHORT_MAX = 600
Frames = list[tuple[int, bytes]]
"""Opcodes and payloads."""


def exchange(raw: Raw, data: bytes, next_frame: Callable[[], tuple[int, bytes]], chunk: int = 0) -> Frames:
    """Send `data` (whole or in chunks) and then a close frame. Returns what comes back, up to the close frame."""
    data += frame(CLOSE, b"\x03\xe8")
    for start in range(0, len(data), chunk or len(data)):
        try:
            raw.send(data[start : start + (chunk or len(data))])
        except ConnectionError:  # the connection has already ended
            break
    frames: Frames = []
    while not frames or frames[-1][0] != CLOSE:
        frames.append(next_frame())
    return frames


def endings(raws: Mapping[str, Raw], vectors: Mapping[str, tuple[bytes, int]]) -> dict[str, int]:
    """The close code with which the gateway ends each connection by itself: the client answers nothing, neither with a
    close frame nor by closing its side."""
    for name, (data, _) in vectors.items():
        raws[name].send(data)
    codes: dict[str, int] = {}
    for name in vectors:
        opcode, payload = raws[name].frame()
        while opcode != CLOSE:
            opcode, payload = raws[name].frame()
        codes[name] = int.from_bytes(payload[:2])
        assert raws[name].is_ended()
    return codes


def whole_and_in_bytes(vectors: Mapping[str, tuple[bytes, Frames]]) -> list[Any]:
    """Parameters `data`, `expected` and `chunk`: all vectors are sent whole, and the short ones also byte by byte,
    because it must not matter how the network cuts the bytes."""
    whole = [pytest.param(*vector, 0, id=name) for name, vector in vectors.items()]
    short = {name: vector for name, vector in vectors.items() if len(vector[0]) < SHORT_MAX}
    return whole + [pytest.param(*vector, 1, id=f"{name}, byte by byte") for name, vector in short.items()]


GOODBYE = (CLOSE, b"\x03\xe8")
SIZES = [0, 1, 125, 126, 127, 128, 65_535, 65_536]
UTF8 = "Hello-µ@ßöäüàá-UTF-8!! κόσμε \U0001f600 \ufffd \U0010ffff".encode()

ECHOED: dict[str, tuple[bytes, Frames]] = {
    **{f"text of {n}": (frame(TEXT, b"*" * n), [(TEXT, b"*" * n)]) for n in SIZES},
    **{f"binary of {n}": (frame(BINARY, b"\xfe" * n), [(BINARY, b"\xfe" * n)]) for n in SIZES},
    **{f"ping of {n}": (frame(PING, b"p" * n), [(PONG, b"p" * n)]) for n in (0, 1, 125)},
    "binary ping": (frame(PING, b"\x00\xff\xfe"), [(PONG, b"\x00\xff\xfe")]),
    "unsolicited pong": (frame(PONG, b"x") + frame(TEXT, b"a"), [(TEXT, b"a")]),
    "ten pings": (b"".join(frame(PING, b"%d" % n) for n in range(10)), [(PONG, b"%d" % n) for n in range(10)]),
    "utf-8": (frame(TEXT, UTF8), [(TEXT, UTF8)]),
    "two fragments": (frame(TEXT, b"a", fin=False) + frame(0, b"b"), [(TEXT, b"ab")]),
    "empty fragments": (
        frame(TEXT, b"", fin=False) + frame(0, b"", fin=False) + frame(0, b""), [(TEXT, b"")],
    ),
    "ping between fragments": (
        frame(TEXT, b"a", fin=False) + frame(PING, b"!") + frame(0, b"b"), [(PONG, b"!"), (TEXT, b"ab")],
    ),
    "utf-8 cut inside a character": (
        frame(TEXT, UTF8[:7], fin=False) + frame(0, UTF8[7:]), [(TEXT, UTF8)],
    ),
    "utf-8 one byte per fragment": (
        frame(TEXT, UTF8[:1], fin=False)
        + b"".join(frame(0, UTF8[n : n + 1], fin=False) for n in range(1, len(UTF8)))
        + frame(0, b""), [(TEXT, UTF8)],
    ),
    "a mask of zeros": (frame(TEXT, b"abc", mask=b"\0\0\0\0"), [(TEXT, b"abc")]),
    "several messages in one packet": (frame(TEXT, b"a") + frame(BINARY, b"b"), [(TEXT, b"a"), (BINARY, b"b")]),
    "1024 fragments": (
        frame(TEXT, b"x", fin=False) + frame(0, b"x", fin=False) * 1022 + frame(0, b"x"), [(TEXT, b"x" * 1024)],
    ),
}  # fmt: skip


PROTOCOL, UTF_8, POLICY, BIG = 1002, 1007, 1008, 1009
ENDED: dict[str, tuple[bytes, int]] = {
    **{f"reserved bit {bit:#x}": (frame(TEXT, b"a", rsv=bit >> 4), PROTOCOL) for bit in (0x40, 0x20, 0x10, 0x70)},
    "reserved bit on a ping": (frame(PING, b"", rsv=RSV1), PROTOCOL),
    "a compressed frame: no extension was agreed on": (frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=RSV1), PROTOCOL),  # noqa: E501
    **{f"opcode {code}": (frame(code, b"a"), PROTOCOL) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "unmasked": (frame(TEXT, b"a", mask=None), PROTOCOL),
    "unmasked ping": (frame(PING, b"a", mask=None), PROTOCOL),
    "ping of 126": (frame(PING, b"p" * 126), PROTOCOL),
    "fragmented ping": (frame(PING, b"p", fin=False), PROTOCOL),
    "fragmented pong": (frame(PONG, b"p", fin=False), PROTOCOL),
    "fragmented close": (frame(CLOSE, b"", fin=False), PROTOCOL),
    "continuation of nothing": (frame(0, b"a"), PROTOCOL),
    "continuation after the end": (frame(TEXT, b"a") + frame(0, b"b"), PROTOCOL),
    "a text inside a text": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), PROTOCOL),
    "a binary inside a text": (frame(TEXT, b"a", fin=False) + frame(BINARY, b"b"), PROTOCOL),
    "a length that could be shorter": (bytes((0x81, 0xFE, 0, 1)) + b"\0\0\0\0a", PROTOCOL),
    "an eight-byte length that could be two": (bytes((0x81, 0xFF)) + (126).to_bytes(8) + b"\0\0\0\0" + b"a" * 126, PROTOCOL),  # noqa: E501
    "a negative length": (bytes((0x81, 0xFF)) + b"\xff" * 8 + b"\0\0\0\0", PROTOCOL),
    "close with one byte": (frame(CLOSE, b"\x03"), PROTOCOL),
    "close with invalid utf-8": (frame(CLOSE, b"\x03\xe8\xff"), UTF_8),
    **{f"close code {code}": (frame(CLOSE, code.to_bytes(2)), PROTOCOL)
       for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)},
    "close of 126": (frame(CLOSE, b"\x03\xe8" + b"r" * 124), PROTOCOL),
    **{f"invalid utf-8 {text.hex()}": (frame(TEXT, text), UTF_8) for text in (
        b"\x80", b"\xbf", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x80\x80\xaf",  # noqa: E501
        b"\xf4\x90\x80\x80", b"\xf5", b"\xfe", b"\xff", b"\xe2\x82", b"ok\xf0\x9f", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80")},  # noqa: E501
    "invalid utf-8 in the second fragment": (
        frame(TEXT, "µ".encode(), fin=False) + frame(0, b"\xff", fin=False), UTF_8),
    "a character that never ends": (frame(TEXT, b"\xe2", fin=False) + frame(0, b"\x82"), UTF_8),
    "too many fragments": (frame(TEXT, b"x", fin=False) + frame(0, b"x", fin=False) * 1024, POLICY),
    "too big": (frame(BINARY, b"x" * 65_537), BIG),
    "too big in fragments": (frame(TEXT, b"x" * 40_000, fin=False) + frame(0, b"x" * 40_000), BIG),
}  # fmt: skip
