"""What an agent relies on at its queue: SQS, and the fake with which users test, keep the same promises."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from demo.testing import Emulator
from tests.support.patience import PATIENCE_S
from websocket_handler_client import Agent, Publisher, Task
from websocket_handler_client.publishing.sqs import QueueOutlet
from websocket_handler_client.tasks.envelope import read_task
from websocket_handler_client.tasks.queue import LeaseLostError, QueueUnavailableError, TaskQueue
from websocket_handler_client.tasks.sqs import SqsTasks
from websocket_handler_client.testing import FakeOutlet, FakeQueue

pytestmark = pytest.mark.asyncio


@dataclass
class Place:
    """A queue, how a task gets into it, and how many messages of another agent's there are."""

    queue: TaskQueue
    put: Callable[[str], Awaitable[None]]
    handed_over: Callable[[], Awaitable[list[Any]]]


def fake(is_fifo: bool) -> Place:
    """The fake."""
    queue = FakeQueue(receives_max=3)

    async def put(name: str) -> None:
        queue.put({"n": name}, message_id=name, group="g" if is_fifo else None)

    async def handed_over() -> list[Any]:
        return [envelope for _, envelope in queue.sent]

    return Place(queue, put, handed_over)


def on_sqs(emulator: Emulator, is_fifo: bool) -> Place:
    """Queues of their own on SQS."""
    sqs = emulator.client("sqs")
    ending = ".fifo" if is_fifo else ""
    fifo = {"FifoQueue": "true"} if is_fifo else {}

    def create(**attributes: str) -> str:
        answer = sqs.create_queue(QueueName=f"q{uuid.uuid4().hex}{ending}", Attributes={**fifo, **attributes})
        return str(answer["QueueUrl"])

    dead = sqs.get_queue_attributes(QueueUrl=create(), AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 3})
    environment = {"SQS_QUEUE_URL_DEV": create(RedrivePolicy=policy), "SQS_QUEUE_URL_QA": create()}

    async def put(name: str) -> None:
        more = {"MessageGroupId": "g", "MessageDeduplicationId": name} if is_fifo else {}
        body = json.dumps({"type": "dev", "project_id": "p", "data": {"n": name}, "message_id": name})
        attributes = {"MessageId": {"DataType": "String", "StringValue": name}}
        url = environment["SQS_QUEUE_URL_DEV"]
        await asyncio.to_thread(sqs.send_message, QueueUrl=url, MessageBody=body, MessageAttributes=attributes, **more)

    async def handed_over() -> list[Any]:
        answer = await asyncio.to_thread(sqs.receive_message, QueueUrl=environment["SQS_QUEUE_URL_QA"])
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    return Place(SqsTasks("dev", environment, sqs), put, handed_over)


@pytest_asyncio.fixture(params=["fake", "fake fifo", "sqs", "sqs fifo"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """Each kind of queue."""
    kind, _, form = request.param.partition(" ")
    async with asyncio.timeout(PATIENCE_S):
        made = fake(bool(form)) if kind == "fake" else on_sqs(request.getfixturevalue("emulator"), bool(form))
        await made.queue.look_up()
        yield made


async def test_it_tells_how_it_is_set_up(place: Place) -> None:
    assert (place.queue.hidden_s, place.queue.receives_max) == (30, 3)


async def test_a_message_is_hidden_after_its_receipt_shown_when_it_is_handed_back_and_gone_when_deleted(
    place: Place,
) -> None:
    await place.put("m")
    (first,) = await place.queue.receive(10, 5)
    assert (read_task(first).message_id, read_task(first).data, first.receives) == ("m", {"n": "m"}, 1)
    assert await place.queue.receive(10, 0) == []
    await place.queue.hide(first.handle, 60)
    await place.queue.hide(first.handle, 0)
    (second,) = await place.queue.receive(10, 5)
    assert second.receives == 2
    await place.queue.delete(second.handle)
    assert await place.queue.receive(10, 0) == []


async def test_a_deleted_message_has_no_lease(place: Place) -> None:
    await place.put("m")
    (received,) = await place.queue.receive(10, 5)
    await place.queue.delete(received.handle)
    with pytest.raises(LeaseLostError):
        await place.queue.hide(received.handle, 30)


async def test_no_more_come_than_were_asked_for(place: Place) -> None:
    for name in ("a", "b", "c"):
        await place.put(name)
    assert len(await place.queue.receive(2, 5)) == 2


async def test_after_so_many_receives_a_message_is_moved_away(place: Place) -> None:
    await place.put("m")
    for _ in range(3):
        (received,) = await place.queue.receive(10, 5)
        await place.queue.hide(received.handle, 0)
    assert await place.queue.receive(10, 0) == []


async def test_a_task_reaches_another_agent(place: Place) -> None:
    await place.queue.send("qa", "m2", "p", json.dumps({"message_id": "m2"}))
    assert await place.handed_over() == [{"message_id": "m2"}]


async def test_what_sqs_does_not_answer_is_told_as_unavailable(emulator: Emulator) -> None:
    made = on_sqs(emulator, False)
    emulator.add_fault("sqs", "error", status=500)
    for ask in (made.queue.look_up(), made.queue.receive(1, 0), made.queue.delete("h")):
        with pytest.raises(QueueUnavailableError):
            await ask
    with pytest.raises(ValueError, match="SQS_QUEUE_URL_OPS"):
        await made.queue.send("ops", "m", None, "{}")
    with pytest.raises(ValueError, match="SQS_QUEUE_URL_DEV"):
        SqsTasks("dev", {}, object())


async def test_an_agent_works_from_a_real_queue(place: Place) -> None:
    outlet = FakeOutlet()
    agent = Agent("dev", queue=place.queue, outlet=outlet, poll_s=1.0)

    @agent.task
    async def work(task: Task) -> dict[str, Any]:
        if task.data["n"] == "last":
            agent.stop()
        return {"n": task.data["n"]}

    for name in ("a", "b", "last"):
        await place.put(name)
    await agent.serve()
    assert sorted(message["n"] for message in outlet.of_type("dev_result")) == ["a", "b", "last"]
    assert await place.queue.receive(10, 0) == []


async def test_updates_reach_the_updates_queue(emulator: Emulator) -> None:
    sqs = emulator.client("sqs")
    url = sqs.create_queue(QueueName=f"q{uuid.uuid4().hex}")["QueueUrl"]
    publisher = Publisher(outlet=QueueOutlet(url, sqs))
    await asyncio.to_thread(publisher.publish_all, "p", [{"n": n} for n in range(3)])
    found = await asyncio.to_thread(sqs.receive_message, QueueUrl=url, MaxNumberOfMessages=10)
    assert sorted(json.loads(message["Body"])["sequence"] for message in found["Messages"]) == [0, 1, 2]
