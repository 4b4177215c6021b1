"""What every adapter of the queues promises an operator: counts, and dead letters that go back once."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.support.memory_queues import MemoryQueue, MemoryQueues
from tests.support.patience import PATIENCE_S
from tests.support.queues import drain
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.sqs_queues import SqsQueues
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.ports.queues import NoDeadLetters, Queues, QueueState

pytestmark = pytest.mark.asyncio


@pytest.fixture(params=["memory", "sdk", "wire"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["", ".fifo"], ids=["standard", "fifo"])
def urls(request: pytest.FixtureRequest, sqs: Any) -> dict[str, str]:
    """`dev`, whose messages are dead letters after two receives, and `alone`, which has no dead-letter queue."""
    suffix, name = request.param, uuid4().hex
    fifo = {"FifoQueue": "true"} if suffix else {}
    dead = sqs.create_queue(QueueName=f"{name}-dead{suffix}", Attributes=fifo)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})}
    return {
        "dev": sqs.create_queue(QueueName=f"{name}{suffix}", Attributes=fifo | policy)["QueueUrl"],
        "alone": sqs.create_queue(QueueName=f"{name}-alone{suffix}", Attributes=fifo)["QueueUrl"],
    }


@pytest.fixture
def queues(kind: str, urls: dict[str, str], aws: Aws) -> Queues:
    if kind == "memory":
        return MemoryQueues(dev=MemoryQueue(), alone=MemoryQueue(dead_letters=None))
    return SqsQueues(urls, aws.call if kind == "sdk" else AwsWire(aws).call, timeout_s=PATIENCE_S)


class Agent:
    """Somebody who sends, receives, and fails at tasks of the queue `dev`."""

    def __init__(self, queues: Queues, sqs: Any, url: str) -> None:
        self._queues = queues
        self._sqs = sqs
        self._url = url

    @property
    def _memory(self) -> MemoryQueue | None:
        return self._queues.queues["dev"] if isinstance(self._queues, MemoryQueues) else None

    def send(self, *bodies: str) -> None:
        if self._memory is not None:
            self._memory.waiting += bodies
            return
        for body in bodies:
            ids = {"MessageGroupId": body, "MessageDeduplicationId": body} if self._url.endswith(".fifo") else {}
            self._sqs.send_message(QueueUrl=self._url, MessageBody=body, **ids)

    def hold(self, count: int) -> None:
        """Receive some, and neither delete them nor give them back."""
        if self._memory is not None:
            self._memory.in_flight += [self._memory.waiting.pop(0) for _ in range(count)]
            return
        taken = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=count)["Messages"]
        assert len(taken) == count

    def fail(self) -> None:
        """Receive all that wait until they are dead letters."""
        if self._memory is not None:
            assert self._memory.dead_letters is not None
            self._memory.dead_letters += self._memory.waiting
            self._memory.waiting.clear()
            return
        while self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10, VisibilityTimeout=0).get(
            "Messages"
        ):
            pass

    def work(self) -> list[str]:
        """Receive and delete all that wait."""
        if self._memory is not None:
            done = list(self._memory.waiting)
            self._memory.waiting.clear()
            return done
        return drain(self._sqs, self._url)


@pytest.fixture
def agent(queues: Queues, sqs: Any, urls: dict[str, str]) -> Agent:
    return Agent(queues, sqs, urls["dev"])


async def test_each_message_is_counted_where_it_is(queues: Queues, agent: Agent) -> None:
    assert queues.names == ("dev", "alone")
    agent.send("dead-1", "dead-2")
    agent.fail()
    agent.send("a", "b", "c")
    agent.hold(1)
    assert await queues.look("dev") == QueueState(waiting=2, in_flight=1, delayed=0, dead_letters=2)
    assert await queues.look("alone") == QueueState(waiting=0, in_flight=0, delayed=0, dead_letters=None)


async def test_dead_letters_go_back_once_and_are_received_anew(queues: Queues, agent: Agent) -> None:
    agent.send("a", "b", "c")
    agent.fail()
    assert await queues.return_dead_letters("dev") == 3
    assert await queues.look("dev") == QueueState(waiting=3, in_flight=0, delayed=0, dead_letters=0)
    assert sorted(agent.work()) == ["a", "b", "c"]
    assert await queues.return_dead_letters("dev") == 0
    assert agent.work() == []


async def test_they_may_die_again(queues: Queues, agent: Agent) -> None:
    """The count of their receives begins anew, so that somebody gets them first."""
    agent.send("a")
    agent.fail()
    await queues.return_dead_letters("dev")
    agent.fail()
    assert (await queues.look("dev")).dead_letters == 1


async def test_a_queue_without_a_dead_letter_queue_says_so(queues: Queues) -> None:
    with pytest.raises(NoDeadLetters):
        await queues.return_dead_letters("alone")
