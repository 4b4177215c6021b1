"""RFC 6455 on the real net layer, through `/__echo`: what is to be echoed, and what ends the connection how.

The vectors follow the sections of the RFC and the cases of the Autobahn suite (1 to 7, 9 and 10).
"""

from __future__ import annotations

import pytest

from tests.support.frames import RSV1, handshake_head
from tests.support.frames import client_frame as frame
from tests.support.gateway import Gateway
from tests.support.peers import Raw

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
pytestmark = pytest.mark.usefixtures("open_witness")


def exchange(gateway: Gateway, data: bytes, chunk: int = 0) -> list[tuple[int, bytes]]:
    """What comes back for `data` (sent whole, or in chunks) and a close behind it, up to the close frame."""
    with Raw(gateway.port) as raw:
        raw.send(handshake_head("/__echo"))
        assert raw.response().status == 101
        data += frame(CLOSE, b"\x03\xe8")
        for start in range(0, len(data), chunk or len(data)):
            try:
                raw.send(data[start : start + (chunk or len(data))])
            except ConnectionError:  # it has ended already
                break
        frames: list[tuple[int, bytes]] = []
        while not frames or frames[-1][0] != CLOSE:
            frames.append(raw.frame())
        return frames


GOODBYE = (CLOSE, b"\x03\xe8")
SIZES = [0, 1, 125, 126, 127, 128, 65_535, 65_536]
UTF8 = "Hello-µ@ßöäüàá-UTF-8!! κόσμε \U0001f600 \ufffd \U0010ffff".encode()

ECHOED: dict[str, tuple[bytes, list[tuple[int, bytes]]]] = {
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


@pytest.mark.parametrize(("data", "expected"), ECHOED.values(), ids=ECHOED.keys())
def test_what_the_rfc_allows_comes_back(open_gateway: Gateway, data: bytes, expected: list[tuple[int, bytes]]) -> None:
    assert exchange(open_gateway, data) == [*expected, GOODBYE]


@pytest.mark.parametrize(("data", "expected"), [case for case in ECHOED.values() if len(case[0]) < 600])
def test_how_bytes_are_cut_on_their_way_changes_nothing(
    open_gateway: Gateway, data: bytes, expected: list[tuple[int, bytes]]
) -> None:
    assert exchange(open_gateway, data, chunk=1) == [*expected, GOODBYE]


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


@pytest.mark.parametrize(("data", "code"), ENDED.values(), ids=ENDED.keys())
def test_what_the_rfc_forbids_ends_with_its_close_code(open_gateway: Gateway, data: bytes, code: int) -> None:
    opcode, payload = exchange(open_gateway, data)[-1]
    assert (opcode, int.from_bytes(payload[:2])) == (CLOSE, code)


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])
def test_a_close_code_that_may_be_sent_is_answered_with_the_same(open_gateway: Gateway, code: int) -> None:
    assert exchange(open_gateway, frame(CLOSE, code.to_bytes(2) + b"bye")) == [(CLOSE, code.to_bytes(2))]


def test_a_close_without_a_code_is_answered_without_one(open_gateway: Gateway) -> None:
    assert exchange(open_gateway, frame(CLOSE, b"")) == [(CLOSE, b"")]


def test_nothing_is_answered_behind_a_close(open_gateway: Gateway) -> None:
    data = frame(CLOSE, b"\x03\xe8") + frame(TEXT, b"late") + frame(PING, b"late")
    assert exchange(open_gateway, data) == [GOODBYE]


@pytest.mark.parametrize(
    "offer",
    ["permessage-deflate", "permessage-deflate; client_max_window_bits", "x-webkit-deflate-frame", "permessage-bzip2"],
)
def test_no_compression_is_agreed_on_so_there_is_no_bomb_to_unpack(open_gateway: Gateway, offer: str) -> None:
    with Raw(open_gateway.port) as raw:
        raw.send(handshake_head(sec_websocket_extensions=offer))
        response = raw.response()
        assert response.status == 101
        assert "sec-websocket-extensions" not in response.headers
        raw.frame()  # the greeting
        raw.send(frame(TEXT, b"\x00" * 60_000, rsv=RSV1))
        opcode, payload = raw.frame()
        assert (opcode, int.from_bytes(payload[:2])) == (CLOSE, PROTOCOL)


BAD_HANDSHAKES: dict[str, tuple[bytes, int]] = {
    "no host": (handshake_head(host=None), 400),
    "no key": (handshake_head(sec_websocket_key=None), 400),
    "a short key": (handshake_head(sec_websocket_key="YQ=="), 400),
    "a key that is no base64": (handshake_head(sec_websocket_key="not base64 at all!!!!!!"), 400),
    "no version": (handshake_head(sec_websocket_version=None), 426),
    "version 8": (handshake_head(sec_websocket_version="8"), 426),
    "connection without upgrade": (handshake_head(connection="keep-alive"), 400),
    "POST": (handshake_head().replace(b"GET", b"POST", 1), 400),
    "HTTP/1.0": (handshake_head().replace(b"HTTP/1.1", b"HTTP/1.0", 1), 400),
    "another path": (handshake_head("/other"), 404),
    "a body": (handshake_head(content_length="5"), 400),
    "chunked": (handshake_head(transfer_encoding="chunked"), 400),
    "two keys": (handshake_head().replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"), 400),  # noqa: E501
    "two hosts": (handshake_head().replace(b"\r\n\r\n", b"\r\nHost: other\r\n\r\n"), 400),
    "a thousand query fields": (handshake_head("/ws?" + "&".join(["a=1"] * 1200)), 400),
    "a project twice": (handshake_head("/ws?project_id=a&project_id=a"), 400),
    "a query that is no UTF-8": (handshake_head("/ws?project_id=%ff"), 400),
}  # fmt: skip


@pytest.mark.parametrize(("head", "status"), BAD_HANDSHAKES.values(), ids=BAD_HANDSHAKES.keys())
def test_a_handshake_that_breaks_the_rfc_is_refused_and_the_socket_closed(
    open_gateway: Gateway, head: bytes, status: int
) -> None:
    with Raw(open_gateway.port) as raw:
        raw.send(head)
        response = raw.response()
        assert response.status == status
        assert "sec-websocket-accept" not in response.headers
        assert response.json()["type"] == "error"
        assert raw.is_ended()


def test_a_frame_pipelined_with_the_handshake_is_answered_after_its_101(open_gateway: Gateway) -> None:
    with Raw(open_gateway.port) as raw:
        raw.send(handshake_head("/__echo") + frame(TEXT, b"early"))
        assert raw.response().status == 101
        assert raw.frame() == (TEXT, b"early")
