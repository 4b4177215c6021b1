"""The order of updates, over real queues: a standard queue with `producer` and `sequence`, and a FIFO queue."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import pytest

from demo.testing import Emulator
from tests.support.gateway import off_loop, running_gateway
from tests.support.links import Client, Open, new_project

pytestmark = pytest.mark.asyncio

VISIBILITY_S = 2
COUNTS = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]


def new_queue(sqs: Any, *, is_fifo: bool = False) -> str:
    """An updates queue that hides a message shortly."""
    name, attributes = new_project(), {"VisibilityTimeout": str(VISIBILITY_S)}
    if is_fifo:
        name, attributes = f"{name}.fifo", {**attributes, "FifoQueue": "true"}
    return str(sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])


def counts_in(sqs: Any, url: str) -> list[int]:
    """How many messages are in a queue: visible, and hidden."""
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=COUNTS)["Attributes"]
    return [int(counts[name]) for name in COUNTS]


def body(project_id: str, sequence: int, producer: str = "dev:run-1") -> str:
    return json.dumps({"project_id": project_id, "producer": producer, "sequence": sequence})


def send(sqs: Any, url: str, project_id: str, sequences: Iterable[int]) -> None:
    """Leave numbered updates in a standard queue."""
    for sequence in sequences:
        sqs.send_message(QueueUrl=url, MessageBody=body(project_id, sequence))


async def sequences(client: Client, count: int) -> list[int]:
    return [message["sequence"] for message in await client.take(count)]


async def test_numbered_updates_come_in_order_and_once_through_a_standard_queue(
    emulator: Emulator, settings: dict[str, str], open_on: Open
) -> None:
    project_id = new_project()
    order = random.Random(1).sample(range(100), 100)
    with closing(emulator.client("sqs")) as sqs:
        url = new_queue(sqs)
        async with off_loop(running_gateway(settings, SQS_QUEUE_URL_UPDATES=url)) as gateway:
            client = await open_on(gateway, project_id)
            await client.next()
            send(sqs, url, project_id, [0, *order, *order[:20]])
            assert await sequences(client, 100) == list(range(100))
            await asyncio.to_thread(gateway.until, lambda: sum(counts_in(sqs, url)) == 0)
            assert await client.nothing_is_left()
            _, metrics = await asyncio.to_thread(gateway.get, "/metrics")
    assert b'websocket_handler_numbered_updates_total{what="double"}' in metrics
    assert gateway.records("update.gap") == []


async def test_what_a_killed_gateway_had_received_is_not_overtaken(
    emulator: Emulator, settings: dict[str, str], open_on: Open
) -> None:
    """The messages in its hands stay hidden for a while, and the next gateway reads those behind them first."""
    project_id = new_project()
    with closing(emulator.client("sqs")) as sqs:
        url = new_queue(sqs)
        async with off_loop(running_gateway(settings, SQS_QUEUE_URL_UPDATES=url)) as gateway:
            client = await open_on(gateway, project_id)
            await client.next()
            send(sqs, url, project_id, range(10))
            assert await sequences(client, 10) == list(range(10))
            await asyncio.to_thread(gateway.until, lambda: counts_in(sqs, url) == [0, 0])
            emulator.add_fault("dynamodb", "stall", stall_s=300)
            send(sqs, url, project_id, range(10, 15))
            await asyncio.to_thread(gateway.until, lambda: counts_in(sqs, url) == [0, 5])
            gateway.kill()
        send(sqs, url, project_id, range(15, 40))
        emulator.clear_faults()
        async with off_loop(running_gateway(settings, SQS_QUEUE_URL_UPDATES=url)) as successor:
            client = await open_on(successor)
            await client.subscribe(project_id, rewind=1000)
            assert await sequences(client, 40) == list(range(40))
            await asyncio.to_thread(successor.until, lambda: sum(counts_in(sqs, url)) == 0)
            assert await client.nothing_is_left()
    assert successor.records("update.gap") == successor.records("update.late") == []


async def test_a_fifo_updates_queue_keeps_its_order_and_needs_no_numbers(
    emulator: Emulator, settings: dict[str, str], open_on: Open
) -> None:
    """Each group comes in the order in which it was sent, doubles of one deduplication id once, and a malformed update
    holds up its own group only."""
    one, other, bad = new_project(), new_project(), new_project()
    with closing(emulator.client("sqs")) as sqs:
        url = new_queue(sqs, is_fifo=True)

        def put(group: str, text: str, deduplication: str) -> None:
            fifo = {"MessageGroupId": group, "MessageDeduplicationId": deduplication}
            sqs.send_message(QueueUrl=url, MessageBody=text, **fifo)

        async with off_loop(running_gateway(settings, SQS_QUEUE_URL_UPDATES=url)) as gateway:
            clients = {project_id: await open_on(gateway, project_id) for project_id in (one, other)}
            for client in clients.values():
                await client.next()
            put(bad, "no JSON", "bad")
            for number in range(30):
                for project_id in (one, other):
                    text = json.dumps({"project_id": project_id, "n": number})
                    put(project_id, text, f"{project_id}-{number}")
                    put(project_id, text, f"{project_id}-{number}")
            for client in clients.values():
                assert [message["n"] for message in await client.take(30)] == list(range(30))
            await asyncio.to_thread(gateway.until, lambda: sum(counts_in(sqs, url)) == 1)
            await asyncio.to_thread(gateway.wait_for_record, "update.malformed")
            for client in clients.values():
                assert await client.nothing_is_left()


async def test_numbers_in_a_fifo_queue_drop_doubles_and_nothing_waits(
    emulator: Emulator, settings: dict[str, str], open_on: Open
) -> None:
    """The queue gives the next message of a group only after this one is deleted: waiting for it would stop both."""
    project_id = new_project()
    with closing(emulator.client("sqs")) as sqs:
        url = new_queue(sqs, is_fifo=True)
        async with off_loop(running_gateway(settings, SQS_QUEUE_URL_UPDATES=url)) as gateway:
            client = await open_on(gateway, project_id)
            await client.next()
            for index, sequence in enumerate([3, 1, 1, 2]):
                fifo = {"MessageGroupId": project_id, "MessageDeduplicationId": str(index)}
                sqs.send_message(QueueUrl=url, MessageBody=body(project_id, sequence), **fifo)
            assert await sequences(client, 3) == [3, 1, 2]
            await asyncio.to_thread(gateway.until, lambda: sum(counts_in(sqs, url)) == 0)
            assert await client.nothing_is_left()


async def test_direct_publishers_get_the_first_position_again_and_never_wait(
    emulator: Emulator, settings: dict[str, str], open_on: Open
) -> None:
    """Over a WebSocket a number is the key. What was published there is not waited for in the queue."""
    project_id = new_project()
    numbered = {"producer": "a", "sequence": 7}
    with closing(emulator.client("sqs")) as sqs:
        url = new_queue(sqs)
        async with off_loop(running_gateway(settings, SQS_QUEUE_URL_UPDATES=url)) as gateway:
            client = await open_on(gateway)
            first = await client.publish(project_id, numbered, key="one")
            again = await client.publish(project_id, numbered, key="another")
            assert again["offset"] == first["offset"] == 1
            conflict = await client.request("publish", project_id=project_id, message={**numbered, "x": 1})
            assert conflict["code"] == "conflict"
            wrong = await client.request("publish", project_id=project_id, message={**numbered, "sequence": "7"})
            assert wrong["code"] == "invalid_field"
            await client.subscribe(project_id)
            sqs.send_message(QueueUrl=url, MessageBody=body(project_id, 8, "a"))
            assert await sequences(client, 1) == [8]
