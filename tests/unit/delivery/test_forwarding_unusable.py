"""A queue that only an operator can make usable: nothing is tried again, and everybody else goes on."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.support.doubles import code_of
from tests.support.virtual_time import in_virtual_time
from tests.unit.delivery.agent_queues import Desk, Queue, Reply
from websocket_handler.delivery.forwarding import ForwardLimits
from websocket_handler.ports.forwarder import QueueUnavailable, QueueUnusable
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import ForwardTask
from websocket_handler.protocol.names import Agent

GONE = QueueUnusable("SQS_QUEUE_URL_DEV=https://q/1/dev: QueueDoesNotExist: no", "QueueDoesNotExist")

DENIED = QueueUnusable("SQS_QUEUE_URL_DEV=https://q/1/dev: AccessDenied: no", "AccessDenied", is_of_one_right=True)


class Looking:
    """A desk whose queues are being looked up."""

    def __init__(self, queue: Queue | None = None, limits: ForwardLimits | None = None) -> None:
        self.desk = Desk(queue, limits)
        self._task = asyncio.get_running_loop().create_task(self.desk.forwarding.look_up())

    async def end(self) -> None:
        self._task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self._task


@in_virtual_time
async def test_the_task_is_rejected_at_the_first_attempt_and_is_not_worth_a_retry() -> None:
    desk = Desk()
    desk.queue.reply = lambda _tasks: GONE
    for number in range(3):
        desk.forward(f"m{number}")
    await desk.settled()
    assert desk.queue.batches == [["m0", "m1", "m2"]]
    [answer] = desk.answers["m0"]
    assert isinstance(answer, CommandError)
    assert code_of(answer) is ErrorCode.FORWARD_REJECTED
    assert not answer.retryable
    assert answer.message == "the dev queue cannot be used (QueueDoesNotExist): an operator has to act"
    assert desk.counters.forwards["dev", "failed"] == 3
    assert desk.counters.forward_retries == 0


@in_virtual_time
async def test_a_task_that_was_rejected_may_be_sent_again_once_the_queue_is_back() -> None:
    desk = Desk()
    desk.queue.reply = lambda _tasks: GONE
    desk.forward("m")
    await desk.settled()
    desk.queue.reply = desk.queue.accept
    desk.forward("m")
    await desk.settled()
    assert desk.answers["m"][1:] == ["receipt of m"]
    assert desk.forwarding.unusable() == []


@in_virtual_time
async def test_a_queue_that_is_deleted_while_tasks_wait_rejects_them_all() -> None:
    desk = Desk(Queue(is_fifo=True))
    first = iter([True])

    def reply(tasks: Sequence[ForwardTask]) -> Reply:
        return desk.queue.accept(tasks) if next(first, False) else GONE

    desk.queue.reply = reply
    for number in range(25):
        desk.forward(f"m{number:02}")
    await desk.settled()
    assert len(desk.queue.batches) == 3
    assert desk.counters.forwards == {("dev", "confirmed"): 10, ("dev", "failed"): 15}


@in_virtual_time
async def test_one_agents_queue_is_a_flaw_and_all_of_them_are_a_failure() -> None:
    looking = Looking()
    looking.desk.queue.faults = {Agent.DEV: GONE}
    await asyncio.sleep(1)
    forwarding = looking.desk.forwarding
    assert (forwarding.failure(), forwarding.unknown()) == (None, None)
    assert forwarding.unusable() == [f"dev: {GONE}"]
    looking.desk.queue.faults = dict.fromkeys(Agent, GONE)
    for agent in Agent:
        looking.desk.queue.reply = lambda _tasks: GONE
        looking.desk.forward(agent.value, agent=agent)
    await looking.desk.settled()
    assert str(forwarding.failure()).count("QueueDoesNotExist") == len(Agent)
    looking.desk.queue.faults = {}
    await asyncio.sleep(looking.desk.limits.look_again_s + 1)
    assert (forwarding.failure(), forwarding.unusable()) == (None, [])
    await looking.end()


@in_virtual_time
async def test_a_missing_right_to_send_is_a_flaw_until_a_task_is_accepted() -> None:
    """A look-up needs another right: it finds the queue, and nothing of this. The node stays ready, because an unready
    one would get no task that tells that the right is back."""
    looking = Looking()
    desk, forwarding = looking.desk, looking.desk.forwarding
    desk.queue.reply = lambda _tasks: DENIED
    for agent in Agent:
        desk.forward(agent.value, agent=agent)
    await desk.settled()
    for _ in range(2):
        assert (forwarding.failure(), forwarding.unknown()) == (None, None)
        assert forwarding.unusable() == [f"{agent.value}: {DENIED}" for agent in Agent]
        await asyncio.sleep(3 * desk.limits.look_again_s)
    assert all(isinstance(answer, CommandError) for answers in desk.answers.values() for answer in answers)
    desk.queue.reply = desk.queue.accept
    desk.forward("again", agent=Agent.DEV)
    await desk.settled()
    assert [flaw.partition(":")[0] for flaw in forwarding.unusable()] == ["pm", "qa", "ops"]
    await looking.end()


@in_virtual_time
async def test_unknown_is_not_ready_until_each_queue_has_answered() -> None:
    looking = Looking(Queue(delay_s=1))
    looking.desk.queue.faults = {Agent.QA: QueueUnavailable("no route")}
    await asyncio.sleep(0.5)
    forwarding = looking.desk.forwarding
    assert forwarding.unknown() == "not looked up yet: pm, dev, qa, ops"
    await asyncio.sleep(0.6)
    assert (forwarding.failure(), forwarding.unknown()) == ("qa: no route", "not looked up yet: qa")
    looking.desk.queue.faults = {}
    await asyncio.sleep(2 + looking.desk.limits.backoff_max_s)
    assert (forwarding.failure(), forwarding.unknown()) == (None, None)
    await looking.end()


@in_virtual_time
async def test_a_look_that_hangs_is_given_up_and_done_again() -> None:
    looking = Looking(Queue(delay_s=3600))
    await asyncio.sleep(11)
    assert looking.desk.forwarding.failure() == "; ".join(f"{agent.value}: no answer in time" for agent in Agent)
    looking.desk.queue.delay_s = 0.1
    await asyncio.sleep(20)
    assert (looking.desk.forwarding.failure(), looking.desk.forwarding.unknown()) == (None, None)
    await looking.end()


@in_virtual_time
async def test_a_queue_that_works_is_looked_up_once() -> None:
    looking = Looking()
    await asyncio.sleep(600)
    assert looking.desk.queue.looks == dict.fromkeys(Agent, 1)
    await looking.end()


@in_virtual_time
async def test_after_an_outage_without_further_tasks_a_look_ends_it() -> None:
    """Before, only the next task could: a node without traffic stayed unready."""
    looking = Looking(limits=ForwardLimits(timeout_s=1))
    desk = looking.desk
    desk.queue.reply = lambda _tasks: QueueUnavailable("down")
    desk.forward("m")
    await desk.settled()
    assert desk.forwarding.failure() == "dev: down"
    await asyncio.sleep(desk.limits.look_again_s + 1)
    assert desk.forwarding.failure() is None
    await looking.end()
