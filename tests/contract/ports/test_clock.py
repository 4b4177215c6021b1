"""What every clock and every scheduler promises: those of the product, and those that tests use in their place."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from tests.support import virtual_time
from tests.support.clock import BEGIN, SteeredClock
from tests.support.doubles import HandScheduler
from websocket_handler.adapters.system.clock import SystemClock
from websocket_handler.ports.clock import Clock, Scheduler

WIRE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
CLOCKS: dict[str, Callable[[], Clock]] = {"system": SystemClock, "steered": SteeredClock}


@pytest.fixture(params=CLOCKS)
def clock(request: pytest.FixtureRequest) -> Clock:
    return CLOCKS[request.param]()


def test_monotonic_seconds_never_go_back(clock: Clock) -> None:
    read = [clock.monotonic() for _ in range(1000)]
    assert read == sorted(read)


@pytest.mark.parametrize(
    ("wall", "text"),
    [
        (BEGIN, "2026-11-22T20:00:00.000Z"),
        (BEGIN + 0.001, "2026-11-22T20:00:00.001Z"),
        (BEGIN + 0.9999, "2026-11-22T20:00:00.999Z"),
        (0.0, "1970-01-01T00:00:00.000Z"),
        (253_402_300_799.0, "9999-12-31T23:59:59.000Z"),
    ],
)
def test_a_second_is_written_in_utc_with_milliseconds_that_are_cut_off(clock: Clock, wall: float, text: str) -> None:
    assert clock.text(wall) == text


def test_a_timestamp_is_the_wall_clock_as_the_wire_says_it(clock: Clock) -> None:
    for _ in range(100):
        before, timestamp, after = clock.text(clock.wall()), clock.timestamp(), clock.text(clock.wall())
        assert WIRE.fullmatch(timestamp)
        assert before <= timestamp <= after, "texts of this form are in the order of their times"


Wait = Callable[[float], Awaitable[None]]
Scenario = Callable[[Scheduler, Wait], Coroutine[Any, Any, None]]


def on_an_event_loop(scenario: Scenario) -> None:
    async def main() -> None:
        await scenario(asyncio.get_running_loop(), asyncio.sleep)

    virtual_time.run(main())


def by_hand(scenario: Scenario) -> None:
    scheduler = HandScheduler(SteeredClock())

    async def wait(seconds: float) -> None:
        scheduler.settle()
        scheduler.advance(seconds)

    asyncio.run(scenario(scheduler, wait))


@pytest.fixture(params=[on_an_event_loop, by_hand])
def play(request: pytest.FixtureRequest) -> Callable[[Scenario], None]:
    """Plays a scenario on a scheduler."""
    chosen: Callable[[Scenario], None] = request.param
    return chosen


def test_what_is_called_soon_is_called_once_in_order_and_never_at_once(play: Callable[[Scenario], None]) -> None:
    async def scenario(scheduler: Scheduler, wait: Wait) -> None:
        called: list[str] = []

        def first() -> None:
            called.append("first")
            scheduler.call_soon(lambda: called.append("made ready by the first"))

        scheduler.call_soon(first)
        scheduler.call_soon(lambda: called.append("second"))
        assert called == []
        await wait(0.01)
        assert called == ["first", "second", "made ready by the first"]
        await wait(10)
        assert len(called) == 3

    play(scenario)


def test_a_timer_is_called_once_when_its_time_has_come_and_not_before(play: Callable[[Scenario], None]) -> None:
    async def scenario(scheduler: Scheduler, wait: Wait) -> None:
        called: list[str] = []
        scheduler.call_later(2.0, lambda: called.append("late"))
        scheduler.call_later(1.0, lambda: called.append("early"))
        await wait(0.9)
        assert called == []
        await wait(0.2)
        assert called == ["early"]
        await wait(10)
        assert called == ["early", "late"]

    play(scenario)


def test_a_cancelled_timer_is_not_called_and_cancelling_late_changes_nothing(play: Callable[[Scenario], None]) -> None:
    async def scenario(scheduler: Scheduler, wait: Wait) -> None:
        called: list[str] = []
        cancelled = scheduler.call_later(1.0, lambda: called.append("cancelled"))
        kept = scheduler.call_later(1.0, lambda: called.append("kept"))
        cancelled.cancel()
        cancelled.cancel()
        await wait(2)
        kept.cancel()
        await wait(2)
        assert called == ["kept"]

    play(scenario)
