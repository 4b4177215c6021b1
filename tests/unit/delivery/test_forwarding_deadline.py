"""`FORWARD_TIMEOUT_S` means what it says: a task is answered by then, whatever its attempts do meanwhile."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.support.doubles import code_of
from tests.support.virtual_time import in_virtual_time
from tests.unit.delivery.agent_queues import Desk, Queue, Reply
from websocket_handler.delivery.forwarding import ForwardLimits
from websocket_handler.ports.forwarder import Accepted, QueueUnavailable, Refused
from websocket_handler.protocol.codes import ErrorCode
from websocket_handler.protocol.messages import ForwardTask


@in_virtual_time
@pytest.mark.parametrize("delay_s", [0.01, 0.7, 9.0, 3600.0])
@pytest.mark.parametrize("is_fifo", [False, True])
async def test_every_task_is_answered_at_its_deadline(delay_s: float, is_fifo: bool) -> None:
    """Attempts of 10 s and their pauses made 37.5 s of 30."""
    desk = Desk(Queue(delay_s=delay_s, is_fifo=is_fifo))
    desk.queue.reply = lambda _tasks: QueueUnavailable("down")
    loop = asyncio.get_running_loop()
    desk.forward("first")
    began = loop.time()
    await asyncio.sleep(7)
    for number in range(50):
        desk.forward(f"later {number}")
    await asyncio.sleep(began + 30.1 - loop.time())
    assert code_of(desk.answers["first"][0]) is ErrorCode.FORWARD_FAILED
    assert not desk.answers["later 0"]
    await desk.settled()
    assert loop.time() - began <= 37.2
    assert all(len(answers) == 1 for answers in desk.answers.values())
    assert desk.counters.forwards == {("dev", "failed"): 51}
    assert (desk.forwarding.waiting, desk.forwarding.is_settled) == (dict.fromkeys(desk.forwarding.waiting, 0), True)


@in_virtual_time
async def test_an_answer_after_the_deadline_is_not_told_twice() -> None:
    desk = Desk(Queue(delay_s=5), ForwardLimits(timeout_s=2))
    desk.forward("old")
    await asyncio.sleep(1.9)
    desk.forward("young")
    await desk.settled()
    await asyncio.sleep(60)
    assert [code_of(desk.answers[name][0]) for name in ("old", "young")] == [ErrorCode.FORWARD_FAILED] * 2
    assert desk.counters.forwards == {("dev", "failed"): 2}


@in_virtual_time
async def test_a_young_task_survives_the_old_one_in_its_batch() -> None:
    desk = Desk(limits=ForwardLimits(timeout_s=10, backoff_base_s=0.001, backoff_max_s=0.001))

    def reply(tasks: Sequence[ForwardTask]) -> Reply:
        return [
            Refused("busy", is_senders_fault=False) if task.message_id == "old" else Accepted("receipt")
            for task in tasks
        ]

    desk.queue.reply = reply
    desk.forward("old")
    await asyncio.sleep(9.95)
    desk.forward("young")
    await desk.settled()
    assert code_of(desk.answers["old"][0]) is ErrorCode.FORWARD_FAILED
    assert desk.answers["young"] == ["receipt"]


@in_virtual_time
async def test_after_its_deadline_a_task_is_sent_no_more() -> None:
    desk = Desk(Queue(is_fifo=True, delay_s=3600), ForwardLimits(timeout_s=3))
    for number in range(30):
        desk.forward(f"m{number}")
    await desk.settled()
    await asyncio.sleep(7200)
    assert len(desk.queue.batches) == 1
    await desk.forwarding.close()
