"""Forwards in virtual time: batched, retried, bounded, and answered exactly once."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from tests.support.doubles import code_of
from tests.support.virtual_time import in_virtual_time, settle
from tests.unit.delivery.agent_queues import Desk, Queue, Reply
from websocket_handler.delivery.forwarding import ForwardLimits
from websocket_handler.ports.forwarder import Accepted, QueueUnavailable, Refused
from websocket_handler.protocol.codes import ErrorCode
from websocket_handler.protocol.messages import ForwardTask
from websocket_handler.protocol.names import Agent


@in_virtual_time
async def test_tasks_of_one_turn_leave_in_one_batch() -> None:
    desk = Desk()
    for number in range(10):
        desk.forward(f"m{number}")
    assert desk.queue.sent == []
    await desk.settled()
    assert desk.queue.batches == [[f"m{number}" for number in range(10)]]
    assert desk.answers["m3"] == ["receipt of m3"]
    assert desk.counters.forwards["dev", "confirmed"] == 10
    assert desk.forwarding.waiting[Agent.DEV] == 0


@in_virtual_time
async def test_nothing_is_confirmed_before_the_queue_answered() -> None:
    desk = Desk(Queue(delay_s=5))
    desk.forward("m")
    await asyncio.sleep(4.9)
    assert desk.answers["m"] == []
    assert desk.forwarding.waiting[Agent.DEV] == 1
    assert not desk.forwarding.is_settled
    await desk.settled()
    assert desk.answers["m"] == ["receipt of m"]


@in_virtual_time
async def test_a_batch_is_bounded_in_messages_and_bytes() -> None:
    desk = Desk()
    for number in range(11):
        desk.forward(f"a{number}")
    await desk.settled()
    assert [len(batch) for batch in desk.queue.batches] == [10, 1]
    half = b"x" * (desk.queue.batch_bytes_max // 2)
    for number in range(3):
        desk.forward(f"b{number}", half)
    desk.forward("c", b"x" * (desk.queue.batch_bytes_max + 1))
    await desk.settled()
    assert [len(batch) for batch in desk.queue.batches[2:]] == [2, 1, 1]


@in_virtual_time
async def test_a_standard_queue_has_several_batches_under_way_up_to_the_maximum() -> None:
    desk = Desk(limits=ForwardLimits(batches_under_way=3))
    for number in range(100):
        desk.forward(f"m{number}")
    await desk.settled()
    assert desk.queue.under_way_most == 3
    assert sorted(desk.queue.taken) == sorted(desk.answers)


@in_virtual_time
async def test_a_fifo_queue_has_one_batch_under_way_and_keeps_the_order() -> None:
    desk = Desk(Queue(is_fifo=True))
    fails = iter([True, False, True, False, False, False, False])
    desk.queue.reply = lambda tasks: QueueUnavailable("down") if next(fails) else desk.queue.accept(tasks)
    for number in range(35):
        desk.forward(f"m{number:02}")
    await desk.settled()
    assert desk.queue.under_way_most == 1
    assert desk.queue.taken == sorted(desk.answers)


@in_virtual_time
async def test_agents_do_not_wait_for_each_other() -> None:
    desk = Desk(Queue(is_fifo=True, delay_s=5))
    start = asyncio.get_running_loop().time()
    for agent in Agent:
        desk.forward(agent.value, agent=agent)
    await desk.settled()
    assert asyncio.get_running_loop().time() - start < 6


@in_virtual_time
async def test_what_a_queue_did_not_take_is_tried_again_with_the_same_id() -> None:
    desk = Desk()
    fails = iter([True, True, False])
    desk.queue.reply = lambda tasks: QueueUnavailable("down") if next(fails) else desk.queue.accept(tasks)
    desk.forward("m")
    await settle()
    await asyncio.sleep(0.15)
    assert desk.forwarding.failure() == "dev: down"
    await desk.settled()
    assert desk.queue.batches == [["m"], ["m"], ["m"]]
    assert desk.answers["m"] == ["receipt of m"]
    assert desk.counters.forward_retries == 2
    assert desk.forwarding.failure() is None


@in_virtual_time
async def test_only_what_was_refused_is_tried_again() -> None:
    desk = Desk()
    first = iter([True])

    def reply(tasks: Sequence[ForwardTask]) -> Reply:
        is_first = next(first, False)
        return [
            Refused("busy", is_senders_fault=False) if is_first and task.message_id == "b" else Accepted("r")
            for task in tasks
        ]

    desk.queue.reply = reply
    for name in "abc":
        desk.forward(name)
    await desk.settled()
    assert desk.queue.batches == [["a", "b", "c"], ["b"]]
    assert [desk.answers[name] for name in "abc"] == [["r"]] * 3


@in_virtual_time
async def test_what_is_the_senders_fault_is_not_tried_again() -> None:
    desk = Desk()
    desk.queue.reply = lambda tasks: [Refused("bad", is_senders_fault=True) for _ in tasks]
    desk.forward("m")
    await desk.settled()
    assert len(desk.queue.sent) == 1
    assert code_of(desk.answers["m"][0]) is ErrorCode.FORWARD_REJECTED
    assert desk.counters.forwards["dev", "rejected"] == 1


@in_virtual_time
async def test_retries_wait_longer_and_longer_up_to_the_maximum() -> None:
    limits = ForwardLimits(timeout_s=600, backoff_base_s=0.1, backoff_max_s=3)
    waits: list[list[float]] = []
    for seed in range(20):
        desk = Desk(Queue(delay_s=0), limits, seed)
        desk.queue.reply = lambda _tasks: QueueUnavailable("down")
        desk.forward("m")
        await asyncio.sleep(30)
        times = [at for at, _ in desk.queue.sent]
        waits.append([later - earlier for earlier, later in pairwise(times)])
        await desk.forwarding.close()
    for attempt in range(8):
        longest = max(wait[attempt] for wait in waits)
        assert longest <= min(3, 0.1 * 2 ** (attempt + 1)) + 1e-6
    assert len({wait[2] for wait in waits}) == 20, "full jitter"


@in_virtual_time
async def test_a_task_is_given_up_at_its_deadline() -> None:
    desk = Desk(limits=ForwardLimits(timeout_s=30))
    desk.queue.reply = lambda _tasks: QueueUnavailable("down")
    start = asyncio.get_running_loop().time()
    desk.forward("m")
    await desk.settled()
    assert code_of(desk.answers["m"][0]) is ErrorCode.FORWARD_FAILED
    assert 30 <= asyncio.get_running_loop().time() - start < 33
    assert desk.counters.forwards["dev", "failed"] == 1


@in_virtual_time
async def test_while_a_queue_fails_one_batch_probes_and_those_who_wait_end_at_their_deadline_too() -> None:
    desk = Desk(limits=ForwardLimits(timeout_s=10))
    desk.queue.reply = lambda _tasks: QueueUnavailable("down")
    desk.forward("first")
    await asyncio.sleep(1)
    for number in range(50):
        desk.forward(f"m{number}")
    desk.queue.under_way_most = 0
    await desk.settled()
    assert desk.queue.under_way_most == 1
    assert {code_of(answer) for (answer,) in desk.answers.values()} == {ErrorCode.FORWARD_FAILED}


@in_virtual_time
async def test_an_attempt_that_hangs_is_cut_off_and_tried_again() -> None:
    desk = Desk(Queue(delay_s=1000), ForwardLimits(attempt_timeout_s=10))
    desk.forward("m")
    await asyncio.sleep(10.5)
    assert desk.forwarding.failure() == "dev: no answer in time"
    desk.queue.delay_s = 0.1
    await desk.settled()
    assert desk.answers["m"] == ["receipt of m"]


@in_virtual_time
async def test_a_queue_that_is_back_is_used_in_full_again() -> None:
    desk = Desk()
    desk.queue.reply = lambda _tasks: QueueUnavailable("down")
    for number in range(60):
        desk.forward(f"m{number}")
    await asyncio.sleep(5)
    desk.queue.reply = desk.queue.accept
    await desk.settled()
    assert sorted(desk.queue.taken) == sorted(desk.answers)
    assert all(len(answers) == 1 for answers in desk.answers.values())
