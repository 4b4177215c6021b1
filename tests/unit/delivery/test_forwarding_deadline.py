"""`FORWARD_TIMEOUT_S` means what it says: a task is answered by then, whatever its attempts do meanwhile. With
`FORWARD_LINGER_MS`, tasks gather after a batch has left, and no longer than that."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.support.doubles import code_of
from tests.support.virtual_time import in_virtual_time, settle
from tests.unit.delivery.agent_queues import Desk, Queue, Reply
from websocket_handler.delivery.forwarding import ForwardLimits
from websocket_handler.ports.forwarder import Accepted, QueueUnavailable, Refused
from websocket_handler.protocol.codes import ErrorCode
from websocket_handler.protocol.messages import ForwardTask
from websocket_handler.protocol.names import Agent

LINGERING = ForwardLimits(linger_s=0.02)


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


# Gathering


@in_virtual_time
async def test_a_lone_task_leaves_at_once() -> None:
    desk = Desk(Queue(delay_s=0), LINGERING)
    for number in range(3):
        desk.forward(f"m{number}")
        await settle()
        assert len(desk.queue.batches) == number + 1
        await asyncio.sleep(0.03)
    assert desk.queue.batches == [["m0"], ["m1"], ["m2"]]


@in_virtual_time
async def test_two_hundred_and_fifty_tasks_a_second_are_fifty_requests() -> None:
    desk = Desk(Queue(delay_s=0.01), LINGERING)
    for number in range(250):
        desk.forward(f"m{number}")
        await asyncio.sleep(0.004)
    await desk.settled()
    assert len(desk.queue.batches) <= 51
    assert desk.queue.taken == sorted(desk.answers, key=lambda name: int(name[1:]))
    assert max(len(batch) for batch in desk.queue.batches) < desk.queue.batch_messages_max


@in_virtual_time
async def test_the_next_batch_gathers_while_the_one_before_is_under_way_and_no_longer() -> None:
    desk = Desk(Queue(delay_s=1), ForwardLimits(linger_s=0.5))
    for number in range(4):
        desk.forward(f"m{number}")
        await asyncio.sleep(0.2)
    await desk.settled()
    assert desk.queue.batches == [["m0"], ["m1", "m2"], ["m3"]]
    times = [at for at, _ in desk.queue.sent]
    assert [round(at - times[0], 6) for at in times] == [0, 0.5, 1.0]


@in_virtual_time
async def test_a_full_batch_does_not_wait() -> None:
    desk = Desk(limits=ForwardLimits(linger_s=0.5))
    for number in range(25):
        desk.forward(f"m{number}")
    await settle()
    assert [len(batch) for batch in desk.queue.batches] == [10, 10]
    await asyncio.sleep(0.4)
    for number in range(25, 30):
        desk.forward(f"m{number}")
    await settle()
    assert [len(batch) for batch in desk.queue.batches] == [10, 10, 10]
    await desk.settled()


@in_virtual_time
async def test_agents_do_not_gather_for_each_other() -> None:
    desk = Desk(limits=ForwardLimits(linger_s=0.5))
    for agent in Agent:
        desk.forward(agent.value, agent=agent)
    await settle()
    assert len(desk.queue.batches) == len(Agent)
    await desk.settled()


@in_virtual_time
async def test_a_fifo_queue_keeps_its_order_and_its_one_batch() -> None:
    desk = Desk(Queue(is_fifo=True, delay_s=0.05), LINGERING)
    fails = iter([False, True])
    desk.queue.reply = lambda tasks: QueueUnavailable("down") if next(fails, False) else desk.queue.accept(tasks)
    for number in range(60):
        desk.forward(f"m{number:02}")
        await asyncio.sleep(0.004)
    await desk.settled()
    assert desk.queue.under_way_most == 1
    assert desk.queue.taken == sorted(desk.answers)


@in_virtual_time
async def test_a_task_that_gathers_is_answered_at_its_deadline() -> None:
    desk = Desk(Queue(delay_s=0), ForwardLimits(linger_s=0.5, timeout_s=0.2))
    desk.forward("first")
    await settle()
    desk.forward("late")
    await asyncio.sleep(0.3)
    assert code_of(desk.answers["late"][0]) is ErrorCode.FORWARD_FAILED
    await asyncio.sleep(1)
    assert desk.queue.batches == [["first"]]


@in_virtual_time
async def test_what_gathers_when_the_node_ends_is_answered_and_not_sent() -> None:
    desk = Desk(Queue(delay_s=0), ForwardLimits(linger_s=0.5))
    desk.forward("first")
    await settle()
    desk.forward("late")
    await settle()
    await desk.forwarding.close()
    assert code_of(desk.answers["late"][0]) is ErrorCode.FORWARD_FAILED
    await asyncio.sleep(1)
    assert desk.queue.batches == [["first"]]
    assert desk.forwarding.is_settled
