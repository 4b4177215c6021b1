"""Answers to pings, in virtual time."""

import asyncio
from typing import Any

from tests.support.virtual_time import in_virtual_time
from websocket_handler.net.pongs import LATE_S, PINGS_BURST, PINGS_PER_SECOND, Pongs
from websocket_handler.protocol.frames import pong_frame


class Socket:
    """What pongs are written to."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_closing = False
        self.write = self.written.append


def now() -> float:
    return asyncio.get_running_loop().time()


@in_virtual_time
async def test_a_client_that_pings_within_the_rate_gets_every_answer_at_once() -> None:
    socket: Any = Socket()
    pongs = Pongs(now())
    for number in range(5000):
        await asyncio.sleep(1 / PINGS_PER_SECOND)
        assert pongs.answer(socket, b"%d" % number, now())
        assert socket.written.pop() == pong_frame(b"%d" % number)


@in_virtual_time
async def test_beyond_the_rate_the_latest_ping_is_answered_a_second_later_and_no_other() -> None:
    socket: Any = Socket()
    pongs = Pongs(now())
    burst = int(PINGS_BURST)
    assert [pongs.answer(socket, b"%d" % number, now()) for number in range(burst + 50)] == [True] * burst + [
        False
    ] * 50
    assert len(socket.written) == burst
    await asyncio.sleep(LATE_S / 2)
    assert not pongs.answer(socket, b"latest", now()), "its turn comes after those before it"
    await asyncio.sleep(LATE_S)
    assert socket.written[burst:] == [pong_frame(b"latest")]
    assert pongs.answer(socket, b"next", now())


@in_virtual_time
async def test_a_closing_socket_gets_no_late_answer() -> None:
    socket: Any = Socket()
    pongs = Pongs(now())
    while pongs.answer(socket, b"", now()):
        pass
    socket.is_closing = True
    answered = len(socket.written)
    await asyncio.sleep(2 * LATE_S)
    assert len(socket.written) == answered
