"""Frames to clients, read back by the WebSocket library."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Opcode

from tests.support.server_frames import read_back
from websocket_handler.protocol import frames


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65535, 65536, 65537])
def test_a_text_frame_has_the_shortest_header_for_its_length(length: int) -> None:
    payload = b"x" * length
    data = frames.text_frame(payload)
    assert len(data) - length == (2 if length < 126 else 4 if length < 65536 else 10)
    assert len(data) - length <= frames.FRAME_HEADER_MAX_BYTES
    (frame,) = read_back(data)
    assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.TEXT, True, payload)


@pytest.mark.parametrize("length", [0, 125, 126, 65535, 65536])
def test_a_binary_frame_is_the_same_with_another_opcode(length: int) -> None:
    (frame,) = read_back(frames.binary_frame(b"x" * length))
    assert (frame.opcode, frame.fin, len(frame.data)) == (Opcode.BINARY, True, length)


@given(st.lists(st.sampled_from([b"", b"{}", b"x" * 125, b"x" * 126, b"x" * 65536]), min_size=1, max_size=5))
def test_several_payloads_in_one_write_are_the_single_frames_in_a_row(payloads: list[bytes]) -> None:
    assert frames.text_frames(payloads) == b"".join(map(frames.text_frame, payloads))
    assert [bytes(frame.data) for frame in read_back(frames.text_frames(payloads))] == payloads


@given(st.sampled_from([1000, 1012, 4000, 4999]), st.text(max_size=200))
def test_a_close_frame_fits_a_control_frame_and_stays_utf8(code: int, reason: str) -> None:
    reason = reason.encode(errors="ignore").decode()
    (frame,) = read_back(frames.close_frame(code, reason))
    close = Close.parse(frame.data)
    assert close.code == code
    assert reason.startswith(close.reason)
    assert len(frame.data) <= 125
    if len(reason.encode()) <= 123:
        assert close.reason == reason


def test_pings_and_pongs_carry_their_payload() -> None:
    ping, pong, empty = read_back(frames.ping_frame(b"a" * 125) + frames.pong_frame(b"b") + frames.ping_frame())
    assert (ping.opcode, bytes(ping.data)) == (Opcode.PING, b"a" * 125)
    assert (pong.opcode, bytes(pong.data)) == (Opcode.PONG, b"b")
    assert bytes(empty.data) == b""
