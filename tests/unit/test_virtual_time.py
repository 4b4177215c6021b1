"""The loop that the other tests stand on."""

import asyncio

import pytest

from tests.support.virtual_time import START_S, DeadlockError, be_busy, in_virtual_time, run, settle


@in_virtual_time
async def test_an_hour_of_sleep_takes_an_hour_of_virtual_time() -> None:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(3600)
    assert loop.time() == pytest.approx(START_S + 3600)


@in_virtual_time
async def test_timers_fire_in_order_at_their_own_time() -> None:
    loop = asyncio.get_running_loop()
    fired: list[tuple[str, float]] = []
    loop.call_later(2, lambda: fired.append(("late", loop.time())))
    loop.call_later(1, lambda: fired.append(("early", loop.time())))
    await asyncio.sleep(3)
    assert fired == [("early", START_S + 1), ("late", START_S + 2)]


@in_virtual_time
async def test_settling_runs_what_is_ready_and_does_not_move_the_clock() -> None:
    loop = asyncio.get_running_loop()
    seen: list[int] = []
    loop.call_soon(lambda: loop.call_soon(lambda: seen.append(1)))
    loop.call_later(0.001, lambda: seen.append(2))
    await settle()
    assert seen == [1]
    assert loop.time() == START_S


@in_virtual_time
async def test_timers_that_become_due_while_the_loop_is_busy_run_late_and_in_their_order() -> None:
    loop = asyncio.get_running_loop()
    fired: list[tuple[str, float]] = []
    loop.call_later(2, lambda: fired.append(("second", loop.time())))
    loop.call_later(1, lambda: fired.append(("first", loop.time())))
    loop.call_later(4, lambda: fired.append(("third", loop.time())))
    loop.call_later(0.5, be_busy, 2.5)
    await asyncio.sleep(5)
    assert fired == [("first", START_S + 3), ("second", START_S + 3), ("third", START_S + 4)]


@in_virtual_time
async def test_a_timeout_ends_what_takes_longer() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.sleep(10), 9.999)


def test_waiting_for_what_nobody_does_is_an_error_at_once() -> None:
    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(DeadlockError):
        run(forever())


def test_waiting_among_periodic_timers_ends_at_the_horizon_and_leaves_no_task() -> None:
    tasks: list[asyncio.Task[None]] = []

    async def tick() -> None:
        while True:  # noqa: ASYNC110 - what is tested
            await asyncio.sleep(3600)

    async def forever() -> None:
        tasks.append(asyncio.create_task(tick()))
        await asyncio.get_running_loop().create_future()

    with pytest.raises(DeadlockError):
        run(forever())
    assert [task.cancelled() for task in tasks] == [True]
