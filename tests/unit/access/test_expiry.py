"""The deadlines of a connection's identity, in virtual time: to the second, and when the wall clock jumps."""

import asyncio
from dataclasses import replace

import pytest

from tests.support.clock import SteeredClock, loop_time
from tests.support.virtual_time import run
from websocket_handler.access.access import AccessOptions
from websocket_handler.access.expiry import LIFE_MIN_S, Expiry
from websocket_handler.access.token_access import TokenAccess
from websocket_handler.delivery.connection import Connection
from websocket_handler.ports.authenticator import Authenticated
from websocket_handler.protocol.codes import CloseCode, CommandError
from websocket_handler.protocol.identity import Identity
from websocket_handler.protocol.session import Session, SessionLimits


class Sink:
    """A transport that remembers."""

    descriptor = -1

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed: tuple[int, float] | None = None

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def buffered_bytes(self) -> int:
        return 0

    def close(self, code: int, _reason: str) -> None:
        self.closed = (code, asyncio.get_running_loop().time())

    def abort(self) -> None:
        self.closed = (1006, asyncio.get_running_loop().time())


class Nobody:
    """An authenticator that is never asked."""

    def authenticate(self, _token: str, done: Authenticated) -> None:
        raise AssertionError

    def failure(self) -> str | None:
        return None


def connected(
    clocks: SteeredClock, lifetime_s: float | None, options: AccessOptions | None = None
) -> tuple[TokenAccess, Connection, Sink]:
    access = TokenAccess(Nobody(), clocks, asyncio.get_running_loop(), options or AccessOptions(), lambda: "ticket")
    identity = None if lifetime_s is None else Identity("ada", clocks.wall() + lifetime_s, ("*",), frozenset())
    sink = Sink()
    now = clocks.monotonic()
    connection = Connection("c", sink, Session(SessionLimits(), now), now, clocks.wall(), identity)
    access.begin(connection)
    return access, connection, sink


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_a_wall_clock_that_jumps_an_hour_disconnects_nobody_early_and_spares_nobody(jump_s: float) -> None:
    async def play() -> None:
        clocks = SteeredClock(loop_time)
        started = clocks.monotonic()
        _, _, sink = connected(clocks, 600.0)
        clocks.offset_s += jump_s
        await asyncio.sleep(599)
        assert sink.closed is None
        await asyncio.sleep(2)
        assert sink.closed is not None
        code, at = sink.closed
        assert (code, round(at - started)) == (CloseCode.TOKEN_EXPIRED, 600)

    run(play())


def test_the_notice_comes_a_minute_before_the_end() -> None:
    async def play() -> None:
        _, _, sink = connected(SteeredClock(loop_time), 3 * 86_400.0)
        await asyncio.sleep(3 * 86_400 - 61)
        assert not sink.written
        await asyncio.sleep(2)
        assert b"token_expiring" in sink.written[0]
        assert sink.closed is None
        await asyncio.sleep(60)
        assert sink.closed is not None

    run(play())


def test_a_connection_that_ended_leaves_no_timer_and_no_place_behind() -> None:
    async def play() -> None:
        access, connection, sink = connected(SteeredClock(loop_time), 600.0, AccessOptions(connections_per_user=1))
        identity = connection.identity
        assert identity is not None
        with pytest.raises(CommandError):
            access.check_user(identity)
        access.leave(connection)
        access.check_user(identity)
        await asyncio.sleep(1000)
        assert sink.closed is None
        assert not sink.written

    run(play())


def test_authentication_has_its_deadline_to_the_second() -> None:
    async def play() -> None:
        _, _, sink = connected(SteeredClock(loop_time), None)
        await asyncio.sleep(9.9)
        assert sink.closed is None
        await asyncio.sleep(0.2)
        assert sink.closed is not None
        assert sink.closed[0] == CloseCode.AUTHENTICATION_TIMEOUT

    run(play())


def test_a_token_that_the_leeway_let_in_lives_a_moment_and_one_without_an_end_for_ever() -> None:
    async def play() -> None:
        clocks = SteeredClock(loop_time)
        expiry = Expiry(clocks, asyncio.get_running_loop(), 10.0)
        late = Identity("ada", clocks.wall() - 3.0, ("*",), frozenset())
        assert expiry.ends_at(late) == clocks.monotonic() + LIFE_MIN_S
        assert expiry.ends_at(replace(late, expires_at=None)) is None

    run(play())
