"""Forwards at their maxima, repeated, and at the end."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.support.doubles import code_of
from tests.support.virtual_time import in_virtual_time, settle
from tests.unit.delivery.agent_queues import Desk, Queue, Reply
from websocket_handler.delivery.forwarding import ForwardLimits
from websocket_handler.ports.forwarder import Accepted, QueueUnavailable, Refused
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import ForwardTask
from websocket_handler.protocol.names import Agent

# The maxima


@in_virtual_time
async def test_as_many_tasks_wait_as_allowed_and_not_one_more() -> None:
    desk = Desk(limits=ForwardLimits(waiting_messages=3))
    for number in range(3):
        desk.forward(f"m{number}")
    with pytest.raises(CommandError) as caught:
        desk.forward("m3")
    assert caught.value.code is ErrorCode.OVERLOADED
    assert desk.counters.forwards["dev", "overloaded"] == 1
    desk.forward("other", agent=Agent.QA)
    await desk.settled()
    desk.forward("m3")
    await desk.settled()
    assert desk.answers["m3"] == ["receipt of m3"]


@in_virtual_time
async def test_as_many_bytes_wait_as_allowed_and_not_one_more() -> None:
    desk = Desk(limits=ForwardLimits(waiting_bytes=100))
    desk.forward("a", b"x" * 60)
    desk.forward("b", b"x" * 40)
    with pytest.raises(CommandError) as caught:
        desk.forward("c", b"x")
    assert caught.value.code is ErrorCode.OVERLOADED
    await desk.settled()
    desk.forward("c", b"x" * 100)
    await desk.settled()


@in_virtual_time
async def test_what_the_queue_would_refuse_is_refused_before_it_waits() -> None:
    desk = Desk()
    desk.queue.refusal = CommandError(ErrorCode.INVALID_CHARACTERS, "no")
    with pytest.raises(CommandError):
        desk.forward("m")
    assert desk.forwarding.is_settled
    assert desk.forwarding.waiting[Agent.DEV] == 0


# The same message id


@in_virtual_time
async def test_a_repeated_forward_gets_the_first_receipt_and_is_no_second_task() -> None:
    desk = Desk()
    desk.forward("m")
    desk.forward("m")
    await desk.settled()
    desk.forward("m")
    assert desk.answers["m"] == ["receipt of m"] * 3
    assert desk.queue.batches == [["m"]]


@in_virtual_time
async def test_the_same_id_with_other_work_is_a_conflict() -> None:
    desk = Desk()
    desk.forward("m", b"1")
    with pytest.raises(CommandError) as caught:
        desk.forward("m", b"2")
    assert caught.value.code is ErrorCode.CONFLICT
    await desk.settled()
    with pytest.raises(CommandError) as caught:
        desk.forward("m", b"2")
    assert caught.value.code is ErrorCode.CONFLICT


@in_virtual_time
async def test_ids_of_other_senders_and_other_agents_are_other_ids() -> None:
    desk = Desk()
    desk.forward("m", b"1", sender="a")
    desk.forward("m", b"2", sender="b")
    desk.forward("m", b"3", sender="a", agent=Agent.QA)
    await desk.settled()
    assert len(desk.queue.taken) == 3


@in_virtual_time
async def test_a_failed_forward_may_be_sent_again_with_the_same_id() -> None:
    desk = Desk(limits=ForwardLimits(timeout_s=1))
    desk.queue.reply = lambda _tasks: QueueUnavailable("down")
    desk.forward("m")
    await desk.settled()
    desk.queue.reply = desk.queue.accept
    desk.forward("m")
    await desk.settled()
    assert desk.answers["m"][1] == "receipt of m"


@in_virtual_time
async def test_receipts_are_bounded_in_number_and_age() -> None:
    desk = Desk(limits=ForwardLimits(receipts=2, receipt_seconds=60))
    for name in "abc":
        desk.forward(name)
        await desk.settled()
    desk.forward("a")
    desk.forward("c")
    assert desk.answers["c"] == ["receipt of c"] * 2
    await desk.settled()
    assert desk.queue.batches == [["a"], ["b"], ["c"], ["a"]]
    await asyncio.sleep(61)
    desk.forward("a", b"other work")
    await desk.settled()
    assert desk.answers["a"] == ["receipt of a"] * 3


# The end


@in_virtual_time
async def test_closing_answers_everything_that_waits_or_is_under_way() -> None:
    desk = Desk(Queue(delay_s=1000), ForwardLimits(attempt_timeout_s=2000, batches_under_way=1))
    for number in range(15):
        desk.forward(f"m{number}")
    await settle()
    await desk.forwarding.close()
    assert [code_of(answer) for (answer,) in desk.answers.values()] == [ErrorCode.FORWARD_FAILED] * 15
    assert desk.forwarding.is_settled


@in_virtual_time
async def test_closing_answers_what_waits_for_its_next_attempt() -> None:
    desk = Desk(limits=ForwardLimits(backoff_base_s=1000, backoff_max_s=1000))
    desk.queue.reply = lambda tasks: [
        Accepted("r") if task.message_id == "a" else Refused("busy", is_senders_fault=False) for task in tasks
    ]
    desk.forward("a")
    desk.forward("b")
    await asyncio.sleep(1)
    await desk.forwarding.close()
    assert desk.answers["a"] == ["r"]
    assert [code_of(answer) for answer in desk.answers["b"]] == [ErrorCode.FORWARD_FAILED]


@in_virtual_time
async def test_closing_answers_a_batch_that_did_not_begin_yet() -> None:
    desk = Desk()
    desk.forward("m")
    await asyncio.sleep(0)
    await desk.forwarding.close()
    assert [code_of(answer) for answer in desk.answers["m"]] == [ErrorCode.FORWARD_FAILED]
    assert desk.forwarding.is_settled


@in_virtual_time
async def test_a_bug_in_the_forwarder_is_reported_answered_and_does_not_stop_the_queue() -> None:
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context))
    desk = Desk(limits=ForwardLimits(batches_under_way=1))
    replies: Iterator[Reply | None] = iter([ValueError("bug"), None, [], None])

    def reply(tasks: Sequence[ForwardTask]) -> Reply:
        answer = next(replies)
        return desk.queue.accept(tasks) if answer is None else answer

    desk.queue.reply = reply
    for number in range(35):
        desk.forward(f"m{number}")
    await desk.settled()
    assert len(faults) == 2, "an exception, and answers that are too few"
    codes = [isinstance(answers[0], CommandError) for answers in desk.answers.values()]
    assert all(len(answers) == 1 for answers in desk.answers.values())
    assert codes.count(True) == 20
