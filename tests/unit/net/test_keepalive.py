"""Pings and deadlines of silent and slow clients, in virtual time."""

import asyncio

import pytest

from tests.support.virtual_time import in_virtual_time
from websocket_handler.net.keepalive import SLOTS, Keepalive, KeepaliveOptions
from websocket_handler.protocol.codes import CloseCode

PING_S = 25.0
SLOW_S = 60.0


class Socket:
    """A socket that answers pings, or does not."""

    def __init__(self, *, answers: bool = True) -> None:
        self.answers = answers
        self.heard = True
        self.is_closing = False
        self.buffered = 0
        self.pings: list[float] = []
        self.closed: tuple[int, float] | None = None

    def ping(self) -> None:
        self.pings.append(asyncio.get_running_loop().time())
        self.heard = self.answers

    def close(self, code: int, _reason: str) -> None:
        self.is_closing = True
        self.closed = (code, asyncio.get_running_loop().time())

    def abort(self) -> None:
        self.closed = (CloseCode.NORMAL, 0.0)

    def buffered_bytes(self) -> int:
        return self.buffered


def watching() -> Keepalive:
    """A running keepalive."""
    keepalive = Keepalive(KeepaliveOptions(PING_S, SLOW_S), asyncio.get_running_loop().time, lambda: False)
    keepalive.start()
    return keepalive


def add(keepalive: Keepalive, *, answers: bool = True) -> Socket:
    """A watched socket."""
    socket = Socket(answers=answers)
    keepalive.add(socket)
    return socket


@in_virtual_time
async def test_a_client_is_pinged_once_per_interval_from_one_interval_on() -> None:
    keepalive = watching()
    start = asyncio.get_running_loop().time()
    socket = add(keepalive)
    await asyncio.sleep(PING_S * 4 + 1)
    assert [at - start for at in socket.pings] == pytest.approx([PING_S * turn for turn in (1, 2, 3, 4)])
    assert socket.closed is None
    keepalive.stop()


@in_virtual_time
async def test_a_client_that_stays_silent_is_closed_within_two_intervals() -> None:
    keepalive = watching()
    await asyncio.sleep(7.3)
    start = asyncio.get_running_loop().time()
    socket = add(keepalive, answers=False)
    await asyncio.sleep(PING_S * 3)
    assert socket.closed is not None
    code, at = socket.closed
    assert code == CloseCode.PONG_TIMEOUT
    assert at - start <= 2 * PING_S
    assert len(socket.pings) == 1


@in_virtual_time
async def test_anything_that_arrives_counts_as_an_answer() -> None:
    keepalive = watching()
    socket = add(keepalive, answers=False)
    for _ in range(10):
        await asyncio.sleep(PING_S)
        socket.heard = True
    assert socket.closed is None


@in_virtual_time
async def test_clients_that_come_one_after_the_other_are_not_pinged_all_at_once() -> None:
    keepalive = watching()
    sockets = []
    for _ in range(SLOTS):
        sockets.append(add(keepalive))
        await asyncio.sleep(PING_S / SLOTS)
    await asyncio.sleep(PING_S)
    assert len({round(socket.pings[0], 3) for socket in sockets}) == SLOTS


@in_virtual_time
async def test_a_removed_client_is_left_alone() -> None:
    keepalive = watching()
    socket = add(keepalive, answers=False)
    assert keepalive.count == 1
    keepalive.add_slow(socket)
    keepalive.remove(socket)
    keepalive.remove(socket)
    assert keepalive.count == 0
    await asyncio.sleep(PING_S * 5)
    assert (socket.pings, socket.closed) == ([], None)


@in_virtual_time
async def test_a_closing_client_is_not_pinged() -> None:
    keepalive = watching()
    socket = add(keepalive)
    socket.is_closing = True
    await asyncio.sleep(PING_S * 3)
    assert socket.pings == []


@in_virtual_time
async def test_a_slow_client_without_progress_is_closed_when_its_time_is_over() -> None:
    keepalive = watching()
    socket = add(keepalive, answers=False)
    socket.buffered = 1000
    start = asyncio.get_running_loop().time()
    keepalive.add_slow(socket)
    await asyncio.sleep(SLOW_S - 1)
    assert (socket.closed, socket.pings) == (None, []), "its silence says nothing while we do not read"
    await asyncio.sleep(3)
    assert socket.closed is not None
    assert socket.closed[0] == CloseCode.SLOW_CLIENT
    assert socket.closed[1] - start <= SLOW_S + PING_S / SLOTS


@in_virtual_time
async def test_a_slow_client_that_makes_progress_stays() -> None:
    keepalive = watching()
    socket = add(keepalive)
    socket.buffered = 1000
    keepalive.add_slow(socket)
    for _ in range(20):
        await asyncio.sleep(SLOW_S - 5)
        socket.buffered -= 1
    assert socket.closed is None
    keepalive.remove_slow(socket)
    await asyncio.sleep(SLOW_S * 2)
    assert socket.closed is None


@in_virtual_time
async def test_everything_can_be_dropped_at_once_and_the_timer_ends() -> None:
    keepalive = watching()
    sockets = [add(keepalive) for _ in range(3)]
    keepalive.abort_all()
    assert all(socket.closed is not None for socket in sockets)
    keepalive.stop()
    await asyncio.sleep(PING_S * 3)
    assert all(socket.pings == [] for socket in sockets)


@in_virtual_time
async def test_stopping_what_never_started_changes_nothing() -> None:
    Keepalive(KeepaliveOptions(), lambda: 0.0, lambda: False).stop()


@in_virtual_time
async def test_while_memory_is_short_those_for_whom_most_is_waiting_go_first() -> None:
    is_short = False
    keepalive = Keepalive(KeepaliveOptions(PING_S, 1e9), asyncio.get_running_loop().time, lambda: is_short)
    keepalive.start()
    sockets = [add(keepalive) for _ in range(10)]
    for number, socket in enumerate(sockets):
        socket.buffered = 1000 * number
        keepalive.add_slow(socket)
    await asyncio.sleep(PING_S)
    assert [socket for socket in sockets if socket.is_closing] == []
    is_short = True
    await asyncio.sleep(2.5 * PING_S / SLOTS)
    assert [socket for socket in sockets if socket.is_closing] == sockets[-2:], "one at each tick"
    keepalive.stop()
