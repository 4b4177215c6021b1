"""The end of one connection, over a socket that notes what is done with it, in virtual time."""

import asyncio
from typing import Any

import pytest

from tests.support.virtual_time import in_virtual_time
from websocket_handler.net.closing import ABNORMAL, CLOSE_TIMEOUT_S, FAIL_TIMEOUT_S, Closing
from websocket_handler.protocol.codes import CloseCode
from websocket_handler.protocol.frame_decoder import ProtocolViolation
from websocket_handler.protocol.frames import close_frame

GOODBYE = close_frame(1000, "bye")


class Socket:
    """Notes in order what is done with it, and what `begins` does."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.waiting_bytes = 0
        socket: Any = self
        self.closing = Closing(socket, lambda: self.done.append("begins"))

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")

    def resume_reading(self) -> None:
        self.done.append("read")

    def get_write_buffer_size(self) -> int:
        return self.waiting_bytes


@in_virtual_time
async def test_a_close_frame_is_sent_once_and_its_answer_closes_the_socket() -> None:
    socket = Socket()
    assert (socket.closing.has_begun, socket.closing.code) == (False, ABNORMAL)
    socket.closing.close(1000, "bye")
    socket.closing.close(1001, "again")
    assert socket.done == ["begins", "read", GOODBYE]
    assert (socket.closing.has_begun, socket.closing.code) == (True, 1000)
    socket.closing.answer(b"\x03\xe9")
    assert socket.done == ["begins", "read", GOODBYE, "close"]
    assert socket.closing.code == 1000, "the code is the one of who began"


@pytest.mark.parametrize(
    ("payload", "answer", "code"),
    [(b"", b"\x88\x00", 1005), (b"\x03\xe8", close_frame(1000), 1000), (b"\x0f\xa0bye", close_frame(4000), 4000)],
)
@in_virtual_time
async def test_a_client_that_says_goodbye_first_is_answered_with_its_code(
    payload: bytes, answer: bytes, code: int
) -> None:
    socket = Socket()
    socket.closing.answer(payload)
    assert socket.done == ["begins", "read", answer, "close"]
    assert socket.closing.code == code


@in_virtual_time
async def test_a_client_that_says_goodbye_first_and_reads_nothing_is_dropped_at_the_deadline() -> None:
    socket = Socket()
    socket.waiting_bytes = 1
    socket.closing.answer(b"")
    await asyncio.sleep(CLOSE_TIMEOUT_S - 0.01)
    assert "abort" not in socket.done
    await asyncio.sleep(0.02)
    assert socket.done[-2:] == ["close", "abort"]


@in_virtual_time
async def test_a_client_that_does_not_answer_is_dropped_at_the_deadline_and_not_before() -> None:
    socket = Socket()
    socket.closing.close(1000, "bye")
    await asyncio.sleep(CLOSE_TIMEOUT_S - 0.01)
    assert "abort" not in socket.done
    await asyncio.sleep(0.02)
    assert socket.done[-1] == "abort"


@in_virtual_time
async def test_a_client_that_broke_the_protocol_is_told_and_dropped_soon() -> None:
    socket = Socket()
    socket.closing.fail(ProtocolViolation(CloseCode.PROTOCOL_ERROR, "no"))
    assert socket.done == ["begins", "read", close_frame(CloseCode.PROTOCOL_ERROR, "no")]
    await asyncio.sleep(FAIL_TIMEOUT_S - 0.01)
    assert "abort" not in socket.done
    await asyncio.sleep(0.02)
    assert socket.done[-1] == "abort"


@in_virtual_time
async def test_who_breaks_the_protocol_while_it_ends_is_dropped_soon_without_a_second_close_frame() -> None:
    socket = Socket()
    socket.closing.close(1000, "bye")
    socket.closing.fail(ProtocolViolation(CloseCode.PROTOCOL_ERROR, "no"))
    await asyncio.sleep(FAIL_TIMEOUT_S + 0.01)
    assert socket.done == ["begins", "read", GOODBYE, "abort"]


@in_virtual_time
async def test_a_client_that_sends_no_more_has_its_time_and_a_goodbye_needs_no_answer() -> None:
    socket = Socket()
    socket.closing.half_close(35.0)
    await asyncio.sleep(34.9)
    assert socket.done == []
    socket.closing.close(1000, "bye")
    assert socket.done == ["begins", "read", GOODBYE, "close"]
    late = Socket()
    late.closing.half_close(35.0)
    await asyncio.sleep(35.1)
    assert late.done == ["close"]
    assert not late.closing.has_begun, "only the connection that is lost tells"


@in_virtual_time
async def test_nothing_is_dropped_after_the_connection_was_lost() -> None:
    socket = Socket()
    socket.closing.close(1000, "bye")
    socket.closing.lost()
    await asyncio.sleep(2 * CLOSE_TIMEOUT_S)
    assert socket.done == ["begins", "read", GOODBYE]
    other = Socket()
    other.closing.lost()
    other.closing.close(1000, "bye")
    assert (other.done, other.closing.has_begun, other.closing.code) == ([], True, ABNORMAL)
