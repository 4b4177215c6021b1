"""Calls of AWS that are tried again: which, how long, and what is raised in the end. In virtual time."""

import asyncio
from random import Random

import pytest

from tests.support.virtual_time import in_virtual_time
from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.retries import retried
from websocket_handler.ports.backoff import Backoff


class Failing:
    """A call that always fails."""

    def __init__(self, fault: Fault, code: str) -> None:
        self._fault = fault
        self._code = code
        self.attempts = 0

    async def __call__(self) -> None:
        self.attempts += 1
        raise AwsError(self._fault, self._code, f"attempt {self.attempts}")


@in_virtual_time
async def test_retries_end_at_their_deadline_with_the_last_fault() -> None:
    call = Failing(Fault.TRANSIENT, "Throttling")
    begin = asyncio.get_running_loop().time()
    with pytest.raises(AwsError) as raised:
        await retried(call, 5.0, Backoff(Random(1).random, base_s=0.05, max_s=1.0))
    assert asyncio.get_running_loop().time() == pytest.approx(begin + 5.0)
    assert call.attempts > 3
    assert raised.value.args == (f"Throttling: attempt {call.attempts}",)


@in_virtual_time
async def test_what_cannot_get_better_is_not_repeated() -> None:
    call = Failing(Fault.DENIED, "AccessDenied")
    with pytest.raises(AwsError):
        await retried(call, 5.0, Backoff(Random(1).random))
    assert call.attempts == 1


class Mending:
    """A call that fails so many times, and then answers."""

    def __init__(self, failures: int) -> None:
        self.times: list[float] = []
        self._failures = failures

    async def __call__(self) -> str:
        self.times.append(asyncio.get_running_loop().time())
        if len(self.times) <= self._failures:
            raise AwsError(Fault.TRANSIENT, "Throttling", "slow down")
        return "answer"


def steady(seconds: float) -> Backoff:
    """A wait whose length is known: chance gives 1."""
    return Backoff(lambda: 1.0, base_s=seconds, max_s=4 * seconds)


@in_virtual_time
async def test_an_answer_ends_it_and_nothing_is_waited_for_before_the_first_attempt() -> None:
    for failures in (0, 3):
        call, begin = Mending(failures), asyncio.get_running_loop().time()
        assert await retried(call, 60.0, steady(1.0)) == "answer"
        assert [at - begin for at in call.times] == [0.0, 1.0, 3.0, 7.0][: failures + 1]


@pytest.mark.parametrize("fault", [Fault.GONE, Fault.DENIED, Fault.REFUSED])
@in_virtual_time
async def test_only_what_is_transient_is_repeated(fault: Fault) -> None:
    call = Failing(fault, "Code")
    with pytest.raises(AwsError) as raised:
        await retried(call, 60.0, steady(1.0))
    assert (call.attempts, raised.value.fault) == (1, fault)


@in_virtual_time
async def test_an_attempt_that_hangs_is_cut_off_at_the_deadline() -> None:
    async def hanging() -> None:
        await asyncio.get_running_loop().create_future()

    begin = asyncio.get_running_loop().time()
    with pytest.raises(AwsError, match=r"Timeout: no answer in 2\.5 s") as raised:
        await retried(hanging, 2.5, steady(1.0))
    assert asyncio.get_running_loop().time() - begin == 2.5
    assert raised.value.fault is Fault.TRANSIENT


@in_virtual_time
async def test_who_cancels_it_is_not_told_that_aws_failed() -> None:
    call = Failing(Fault.TRANSIENT, "Throttling")
    trying = asyncio.create_task(retried(call, 60.0, steady(10.0)))
    await asyncio.sleep(5)
    trying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying
    await asyncio.sleep(60)
    assert call.attempts == 1


@in_virtual_time
async def test_a_fault_of_our_own_is_no_fault_of_aws() -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await retried(broken, 60.0, steady(1.0))
