"""Fan-out on real sockets: straight through the compiled loop, and through each transport's own write."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
import struct
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from typing import Any, Final

import pytest
import uvloop

from websocket_handler.net.native_send import IS_BUILT, natively
from websocket_handler.ports.transport import Group, one_by_one

if IS_BUILT:
    from websocket_handler.net._send import send_to_all

built = pytest.mark.skipif(
    not IS_BUILT and shutil.which("cc") is None, reason="no C compiler here: the compiled loop is not built"
)
LOOPS: Final = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
GROUPS: Final = [pytest.param(natively, id="native", marks=built), pytest.param(one_by_one, id="one by one")]
BIG: Final = 1 << 20


# The compiled loop itself


@pytest.fixture
def pairs() -> Iterator[Callable[[], tuple[socket.socket, socket.socket]]]:
    """Connected sockets, ours first."""
    with ExitStack() as stack:

        def pair() -> tuple[socket.socket, socket.socket]:
            ours, theirs = socket.socketpair()
            stack.enter_context(ours)
            stack.enter_context(theirs)
            return ours, theirs

        yield pair


def _send(descriptors: list[int], data: bytes) -> list[tuple[int, int]]:
    incomplete = array("i", [-7] * 2 * len(descriptors))
    count = send_to_all(array("i", descriptors), data, incomplete)
    assert incomplete[2 * count :].tolist() == [-7] * (len(incomplete) - 2 * count)
    return list(zip(incomplete[: 2 * count : 2], incomplete[1 : 2 * count : 2], strict=True))


Pairs = Callable[[], tuple[socket.socket, socket.socket]]


@built
def test_everybody_gets_the_same_bytes(pairs: Pairs) -> None:
    sockets = [pairs() for _ in range(50)]
    assert _send([ours.fileno() for ours, _ in sockets], b"frame") == []
    assert all(theirs.recv(100) == b"frame" for _, theirs in sockets)
    assert _send([], b"frame") == []


@built
def test_what_a_socket_does_not_take_is_told_to_the_byte(pairs: Pairs) -> None:
    (full, full_end), (free, free_end) = pairs(), pairs()
    full.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    free.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * BIG)
    data = os.urandom(BIG // 16)
    ((place, taken),) = _send([full.fileno(), free.fileno()], data)
    assert place == 0
    assert 0 <= taken < len(data)
    assert _send([full.fileno()], data) == [(0, 0)], "full, and nobody waits for it"
    assert _all_of(full_end, taken) == data[:taken]
    assert _all_of(free_end, len(data)) == data


def _all_of(end: socket.socket, size: int) -> bytes:
    taken = b""
    while len(taken) < size:
        taken += end.recv(size - len(taken))
    return taken


@built
def test_what_is_no_open_socket_takes_nothing_and_stops_nobody(pairs: Pairs, tmp_path: Any) -> None:
    """A descriptor that is none, one that is closed, a file, and a peer that is gone; no signal ends the process."""
    (ours, theirs), (orphan, gone) = pairs(), pairs()
    gone.close()
    closed = os.dup(0)
    os.close(closed)
    with (tmp_path / "file").open("wb") as file:
        assert _send([-1, closed, file.fileno(), orphan.fileno(), ours.fileno()], b"x") == [
            (0, 0),
            (1, 0),
            (2, 0),
            (3, 0),
        ]
    assert theirs.recv(10) == b"x"


@built
def test_its_arguments_are_checked_before_anything_is_sent(pairs: Pairs) -> None:
    ours, theirs = pairs()
    three = array("i", [ours.fileno()] * 3)
    send: Any = send_to_all
    assert send(three, b"x", array("i", bytes(4 * 6))) == 0, "just room enough"
    assert theirs.recv(10) == b"xxx"
    with pytest.raises(ValueError, match="no room"):
        send(three, b"x", array("i", bytes(4 * 5)))
    for wrong in ((three, "text", three), (None, b"x", three), (three, b"x", bytes(24)), (three, b"x")):
        with pytest.raises((TypeError, BufferError)):
            send(*wrong)
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(10)


# A group of transports


class _End(asyncio.Protocol):
    """Our end of a connection, as `net.websocket` treats it: level while nothing waits."""

    descriptor: int
    write: Callable[[bytes], None]

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.made: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[bool] = loop.create_future()
        """True if its descriptor was still its own then."""
        self.level = asyncio.Event()
        self.level.set()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(high=0, low=0)
        self.write = transport.write
        self.descriptor = transport.get_extra_info("socket").fileno()
        self._inode = os.fstat(self.descriptor).st_ino
        self.made.set_result(None)

    def pause_writing(self) -> None:
        self.level.clear()

    def resume_writing(self) -> None:
        self.level.set()

    def connection_lost(self, exc: Exception | None) -> None:
        try:
            is_ours = os.fstat(self.descriptor).st_ino == self._inode
        except OSError:
            is_ours = False
        self.ended.set_result(is_ours)

    def buffered_bytes(self) -> int:
        return int(self.transport.get_write_buffer_size())

    def close(self, code: int, reason: str) -> None:
        self.transport.close()

    def abort(self) -> None:
        self.transport.abort()


@asynccontextmanager
async def _connected() -> AsyncIterator[tuple[_End, socket.socket]]:
    """Both ends of a TCP connection: ours on the loop, theirs a plain socket."""
    loop = asyncio.get_running_loop()
    end = _End()
    server = await loop.create_server(lambda: end, "127.0.0.1", 0)
    theirs = socket.socket()
    try:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        theirs.setblocking(False)
        await loop.sock_connect(theirs, server.sockets[0].getsockname())
        await end.made
        yield end, theirs
        end.abort()
        await end.ended
    finally:
        theirs.close()
        server.close()


def _run(loop: str, scenario: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(asyncio.wait_for(_coroutine(scenario), 60))


async def _coroutine(scenario: Callable[[], Awaitable[None]]) -> None:
    await scenario()


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("seed", range(3))
def test_each_gets_everything_in_order_however_it_reads(loop: str, group: Group, seed: int) -> None:
    """Writes of a group and writes of one's own, to readers of different haste: every byte, once, in order. To whom
    something waits, nothing goes past it: such a one is not in the group until it drained."""
    chance = random.Random(seed)

    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            pairs = [await stack.enter_async_context(_connected()) for _ in range(6)]
            readers = [
                asyncio.create_task(_read(theirs, 1000 * haste**2)) for haste, (_, theirs) in enumerate(pairs, 1)
            ]
            owed = {end: bytearray() for end, _ in pairs}
            for _ in range(60):
                await _one_turn(owed, group, chance)
            for end in owed:
                end.close(1000, "")
            for expected, reader in zip(owed.values(), readers, strict=True):
                assert await reader == expected

    _run(loop, scenario)


async def _one_turn(owed: dict[_End, bytearray], group: Group, chance: random.Random) -> None:
    level = [end for end in owed if end.level.is_set()]
    data = chance.randbytes(chance.choice((10, 3000, 200_000)))
    group(level)(data)
    for end in level:
        owed[end].extend(data)
    replied = chance.choice(list(owed))
    replied.write(b"reply")
    owed[replied].extend(b"reply")
    if chance.random() < 0.3:
        await chance.choice(list(owed)).level.wait()
    await asyncio.sleep(0)


async def _read(theirs: socket.socket, size: int) -> bytes:
    """Everything until the end, so much at a time."""
    loop, got = asyncio.get_running_loop(), bytearray()
    while piece := await loop.sock_recv(theirs, size):
        got += piece
    return bytes(got)


# Why a descriptor may be used


async def _peer_closes(_end: _End, theirs: socket.socket) -> None:
    theirs.close()


async def _peer_resets(end: _End, theirs: socket.socket) -> None:
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()


async def _we_close(end: _End, _theirs: socket.socket) -> None:
    end.transport.close()


async def _we_abort(end: _End, _theirs: socket.socket) -> None:
    end.transport.abort()


async def _we_abort_what_waits(end: _End, _theirs: socket.socket) -> None:
    end.write(bytes(20 * BIG))
    end.transport.abort()


async def _a_write_fails(end: _End, theirs: socket.socket) -> None:
    end.transport.pause_reading()
    await _peer_resets(end, theirs)
    for _ in range(1000):
        if end.ended.done() or end.transport.is_closing():
            return
        with suppress(OSError):
            end.write(b"x" * 1000)
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "ending", [_peer_closes, _peer_resets, _we_close, _we_abort, _we_abort_what_waits, _a_write_fails]
)
@pytest.mark.parametrize("loop", LOOPS)
def test_a_descriptor_is_its_connections_own_until_connection_lost_returned(
    loop: str, ending: Callable[[_End, socket.socket], Awaitable[None]]
) -> None:
    """Whatever ends a connection: the loop closes the socket only after it told the protocol. That is why fan-out may
    use the number until then, and why nobody else's socket can have it."""

    async def scenario() -> None:
        async with _connected() as (end, theirs):
            await ending(end, theirs)
            assert await end.ended

    _run(loop, scenario)
