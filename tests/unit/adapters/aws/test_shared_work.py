"""Work that several wait for is done once, and whoever gives up waiting stops nobody."""

import asyncio

import pytest

from tests.support.virtual_time import in_virtual_time
from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.shared_work import SharedWork

TOOK_S = 60.0


class Work:
    """Counts how often it began; ends after TOOK_S."""

    def __init__(self) -> None:
        self.begun = 0
        self.fault: AwsError | None = None

    async def __call__(self) -> int:
        self.begun += 1
        await asyncio.sleep(TOOK_S)
        if self.fault:
            raise self.fault
        return self.begun


@in_virtual_time
async def test_it_is_done_once_for_all_who_wait_and_again_for_later_ones() -> None:
    work = Work()
    shared = SharedWork(work)
    assert await asyncio.gather(*(shared.done() for _ in range(3))) == [1, 1, 1]
    assert await shared.done() == 2


@in_virtual_time
async def test_slow_work_ends_although_each_caller_has_a_short_deadline() -> None:
    work = Work()
    shared, began, failures = SharedWork(work), asyncio.get_running_loop().time(), 0
    while True:
        try:
            async with asyncio.timeout(7):
                assert await shared.done() == 1
                break
        except TimeoutError:
            failures += 1
    assert (work.begun, failures) == (1, 8)
    assert asyncio.get_running_loop().time() - began == TOOK_S


@in_virtual_time
async def test_a_fault_is_told_to_all_who_wait_and_the_next_caller_tries_again() -> None:
    work = Work()
    shared = SharedWork(work)
    work.fault = AwsError(Fault.TRANSIENT, "Odd", "no")
    faults = await asyncio.gather(*(shared.done() for _ in range(2)), return_exceptions=True)
    assert faults == [work.fault] * 2
    shared.start()
    await asyncio.sleep(2 * TOOK_S)  # nobody waits for this fault, and nobody complains
    work.fault = None
    assert await shared.done() == 3


@in_virtual_time
async def test_closing_breaks_it_off() -> None:
    shared = SharedWork(Work())
    waiting = asyncio.create_task(shared.done())
    await asyncio.sleep(1)
    await shared.close()
    with pytest.raises(AwsError, match="stopping"):
        await waiting
    await shared.close()
