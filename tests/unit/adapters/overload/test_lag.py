"""How late the event loop is, and deadlines that do not run while it is: in virtual time."""

import asyncio

import pytest

from tests.support.clock import loop_time
from tests.support.virtual_time import be_busy, in_virtual_time
from websocket_handler.adapters.overload.lag import (
    DEADLINE_BEATS,
    Beats,
    Deadline,
    LoopLag,
    PatientTimeouts,
    patient_timeout,
)


def test_beats_in_time_make_no_lag() -> None:
    lag = Beats(10.0, beat_s=0.5)
    assert lag.beat(10.5) == 11.0
    assert lag.beat(11.0) == 11.5
    assert lag.late_s(11.5) == 0.0


def test_what_every_beat_was_late_adds_up() -> None:
    lag = Beats(10.0, beat_s=0.5)
    assert lag.beat(10.75) == 11.25
    assert lag.beat(12.25) == 12.75
    assert lag.late_s(12.5) == 0.25 + 1.0


def test_a_beat_that_is_due_and_has_not_run_counts_as_far_as_it_is_late() -> None:
    lag = Beats(10.0, beat_s=0.5)
    assert lag.late_s(10.5) == 0.0
    assert lag.late_s(11.25) == 0.75
    assert lag.late_s(11.5) == 1.0, "and asking changes nothing"


@in_virtual_time
async def test_a_loop_that_waits_is_not_late() -> None:
    with LoopLag().measured() as late_s:
        await asyncio.sleep(10)
        assert late_s() == pytest.approx(0.0)


@in_virtual_time
async def test_the_time_for_which_callbacks_computed_is_lag_but_for_a_beat() -> None:
    with LoopLag(beat_s=0.02).measured() as late_s:
        for _ in range(3):
            await asyncio.sleep(1.0)
            be_busy(0.5)
        await asyncio.sleep(1.0)
        assert 3 * (0.5 - 0.02) - 1e-6 <= late_s() <= 3 * 0.5 + 1e-6


@in_virtual_time
async def test_each_who_measures_is_told_the_lag_since_it_began() -> None:
    lag = LoopLag(beat_s=0.02)
    with lag.measured() as first_s:
        be_busy(1.0)
        with lag.measured() as second_s:
            be_busy(0.5)
            await asyncio.sleep(0.1)
            assert first_s() == pytest.approx(1.48)
            assert second_s() == pytest.approx(0.5)
        be_busy(0.25)
        assert first_s() == pytest.approx(1.73, abs=0.021)
    be_busy(5.0)
    with lag.measured() as third_s:
        assert third_s() == 0.0, "nobody measured in between"


@in_virtual_time
async def test_the_beats_end_with_the_last_who_measures() -> None:
    loop, lag = asyncio.get_running_loop(), LoopLag()
    with lag.measured():
        with lag.measured():
            await asyncio.sleep(1.0)
        assert not all(timer.cancelled() for timer in loop._scheduled)  # type: ignore[attr-defined]
        await asyncio.sleep(1.0)
    assert all(timer.cancelled() for timer in loop._scheduled)  # type: ignore[attr-defined]


@in_virtual_time
async def test_a_deadline_comes_at_its_time_when_the_loop_waits() -> None:
    began = loop_time()
    with pytest.raises(TimeoutError):
        async with patient_timeout(2.0):
            await asyncio.sleep(100)
    assert loop_time() - began == pytest.approx(2.0, abs=0.01)


@in_virtual_time
async def test_what_ends_before_the_deadline_is_not_broken_off() -> None:
    async with patient_timeout(2.0):
        await asyncio.sleep(1.99)
    await asyncio.sleep(1.0)


@in_virtual_time
async def test_an_answer_that_came_while_the_loop_was_busy_is_taken() -> None:
    """As the event loop of a node does it: first the timers that are due, then what has arrived."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()
    loop.call_later(0.5, be_busy, 10.0)
    loop.call_later(1.0, lambda: loop.call_soon(answer.set_result, "here"))
    async with patient_timeout(2.0):
        assert await answer == "here"


@in_virtual_time
async def test_the_time_for_which_the_loop_was_late_is_added_to_the_deadline() -> None:
    began, loop = loop_time(), asyncio.get_running_loop()
    loop.call_later(0.5, be_busy, 1.0)
    with pytest.raises(TimeoutError):
        async with patient_timeout(2.0):
            await asyncio.sleep(100)
    assert loop_time() - began == pytest.approx(3.0, abs=2.0 / DEADLINE_BEATS + 0.01)


@in_virtual_time
async def test_a_loop_that_is_never_in_time_puts_a_deadline_off_by_so_many_turns_at_most() -> None:
    async def compute() -> None:
        while True:
            be_busy(1.0)
            await asyncio.sleep(0.001)

    began, computing = loop_time(), asyncio.create_task(compute())
    with pytest.raises(TimeoutError):
        async with patient_timeout(2.0):
            await asyncio.sleep(100)
    computing.cancel()
    assert 5.0 < loop_time() - began <= 1.0 + DEADLINE_BEATS * (1.0 + 2.0 / DEADLINE_BEATS)


@in_virtual_time
async def test_a_fault_inside_comes_out_and_cancelling_from_outside_stays_that() -> None:
    with pytest.raises(ValueError, match="no"):
        async with patient_timeout(2.0):
            raise ValueError("no")

    async def wait() -> None:
        async with patient_timeout(2.0):
            await asyncio.sleep(100)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(1.0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@in_virtual_time
async def test_deadlines_of_equal_length_come_each_at_its_time_unless_they_end_before() -> None:
    loop, timeouts = asyncio.get_running_loop(), PatientTimeouts(2.0)
    came: list[tuple[str, float]] = []

    def watch(name: str) -> Deadline:
        return timeouts.watch(lambda: came.append((name, loop_time() - began)))

    began = loop_time()
    first = watch("first")
    second = watch("second")
    await asyncio.sleep(0.5)
    watch("third")
    timeouts.end(second)
    timeouts.end(second)
    await asyncio.sleep(5.0)
    assert [name for name, _ in came] == ["first", "third"]
    assert [at for _, at in came] == pytest.approx([2.0, 2.5], abs=0.01)
    timeouts.end(first)
    assert all(timer.cancelled() for timer in loop._scheduled)  # type: ignore[attr-defined]


@in_virtual_time
async def test_a_block_goes_on_under_a_deadline_that_began_before() -> None:
    timeouts = PatientTimeouts(2.0)
    deadline = timeouts.watch(lambda: None)
    began = loop_time()
    await asyncio.sleep(1.5)
    with pytest.raises(TimeoutError):
        async with timeouts.begin(deadline):
            await asyncio.sleep(100)
    assert loop_time() - began == pytest.approx(2.0, abs=0.01)
