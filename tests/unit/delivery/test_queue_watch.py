"""The queues for operators: one look for all who ask, one redrive at a time, and a typed answer to everything else."""

import asyncio

import pytest

from tests.support.clock import SteeredClock, loop_time
from tests.support.memory_queues import MemoryQueue, MemoryQueues
from tests.support.virtual_time import in_virtual_time
from websocket_handler.delivery.queue_watch import LOOK_EVERY_S, QueueWatch
from websocket_handler.ports.queues import QueueState
from websocket_handler.protocol.codes import CommandError, ErrorCode


def watch_of(queues: MemoryQueues) -> QueueWatch:
    return QueueWatch(queues, SteeredClock(loop_time))


def two_queues() -> MemoryQueues:
    return MemoryQueues(dev=MemoryQueue(["a"], ["b", "c"], ["d", "e", "f"]), updates=MemoryQueue())


async def refused(watch: QueueWatch, name: str) -> ErrorCode:
    """Why a redrive is refused."""
    with pytest.raises(CommandError) as caught:
        await watch.return_dead_letters(name)
    return caught.value.code


@in_virtual_time
async def test_however_many_ask_each_queue_is_looked_at_once_a_second() -> None:
    queues = two_queues()
    watch = watch_of(queues)
    queues.answers.clear()
    asking = [asyncio.create_task(watch.states()) for _ in range(20)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(5)
    queues.answers.set()
    answers = await asyncio.gather(*asking[1:])
    assert answers[0] == {"dev": QueueState(1, 2, 0, 3), "updates": QueueState(0, 0, 0, 0)}
    assert all(answer == answers[0] for answer in answers)
    await asyncio.sleep(LOOK_EVERY_S - 0.01)
    await watch.states()
    assert queues.looks == 2, "one look at each of two queues"
    await asyncio.sleep(0.01)
    await watch.states()
    assert queues.looks == 4


@in_virtual_time
async def test_a_queue_that_does_not_answer_says_why() -> None:
    queues = two_queues()
    queues.fault = "AccessDenied: no"
    watch = watch_of(queues)
    assert await watch.states() == {"dev": "AccessDenied: no", "updates": "AccessDenied: no"}
    assert await refused(watch, "dev") is ErrorCode.QUEUE_UNAVAILABLE


@in_virtual_time
async def test_a_redrive_shows_at_once() -> None:
    queues = two_queues()
    watch = watch_of(queues)
    await watch.states()
    assert await watch.return_dead_letters("dev") == 3
    assert (await watch.states())["dev"] == QueueState(4, 2, 0, 0)


@in_virtual_time
async def test_a_second_redrive_of_a_queue_waits_for_the_first() -> None:
    queues = two_queues()
    watch = watch_of(queues)
    queues.answers.clear()
    first = asyncio.create_task(watch.return_dead_letters("dev"))
    other = asyncio.create_task(watch.return_dead_letters("updates"))
    await asyncio.sleep(0)
    assert await refused(watch, "dev") is ErrorCode.CONFLICT
    queues.answers.set()
    assert (await first, await other) == (3, 0)
    queues.is_moving = True
    assert await refused(watch, "dev") is ErrorCode.CONFLICT, "somebody else moves them"


@in_virtual_time
async def test_what_is_not_there_is_not_found() -> None:
    queues = MemoryQueues(dev=MemoryQueue(dead_letters=None))
    watch = watch_of(queues)
    assert await refused(watch, "dev") is ErrorCode.NOT_FOUND
    assert await refused(watch, "qa") is ErrorCode.NOT_FOUND
    nothing = QueueWatch(None, SteeredClock(loop_time))
    assert await nothing.states() == {}
    assert await refused(nothing, "dev") is ErrorCode.NOT_FOUND
