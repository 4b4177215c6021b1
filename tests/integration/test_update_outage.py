"""The log store is down while updates come: the queue's redrive policy must not get one of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

import pytest

from demo.testing import Emulator
from tests.support.gateway import off_loop, running_gateway
from tests.support.links import Open, new_project

pytestmark = pytest.mark.asyncio

UPDATES = 60
RECEIVES_MAX = 3
VISIBILITY_S = 1
EXTENSIONS = 40
"""So many batches are hidden again before the outage ends. At most six go out every half visibility, so it lasts longer
than three receives would."""
COUNTS = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]


def queue_with_redrive(sqs: Any) -> tuple[str, str]:
    """A queue that gives a message away after three receives, and the dead-letter queue that gets it."""
    dead = sqs.create_queue(QueueName=f"{new_project()}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": RECEIVES_MAX})
    attributes = {"RedrivePolicy": policy, "VisibilityTimeout": str(VISIBILITY_S)}
    return sqs.create_queue(QueueName=new_project(), Attributes=attributes)["QueueUrl"], dead


def count_in(sqs: Any, url: str) -> int:
    """How many messages are in a queue, hidden or not."""
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=COUNTS)["Attributes"]
    return sum(int(count) for count in counts.values())


def send(sqs: Any, url: str, project_id: str, numbers: Iterable[int]) -> None:
    """Leave updates in the queue."""
    for number in numbers:
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"project_id": project_id, "n": number}))


@pytest.mark.parametrize("mode", ["error", "stall"])
async def test_an_outage_of_the_store_puts_no_update_into_the_dead_letter_queue(
    emulator: Emulator, settings: dict[str, str], open_on: Open, mode: str
) -> None:
    project_id = new_project()
    with closing(emulator.client("sqs")) as sqs:
        url, dead = queue_with_redrive(sqs)
        async with off_loop(running_gateway(settings, SQS_QUEUE_URL_UPDATES=url)) as gateway:
            client = await open_on(gateway, project_id)
            await client.next()
            before = emulator.request_count("sqs", "ChangeMessageVisibilityBatch")

            def are_hidden_again(times: int) -> Callable[[], bool]:
                return lambda: emulator.request_count("sqs", "ChangeMessageVisibilityBatch") >= before + times

            emulator.add_fault("dynamodb", mode, stall_s=300)
            send(sqs, url, project_id, range(UPDATES // 2))
            await asyncio.to_thread(gateway.until, lambda: gateway.ready()[0] == 503)
            send(sqs, url, project_id, range(UPDATES // 2, UPDATES))
            await asyncio.to_thread(gateway.wait_for_record, "updates.paused")
            await asyncio.to_thread(gateway.until, are_hidden_again(EXTENSIONS))
            assert count_in(sqs, url) == UPDATES
            emulator.clear_faults()
            arrived = await client.take(UPDATES)
            await asyncio.to_thread(gateway.until, lambda: count_in(sqs, url) == 0)
            assert await client.nothing_is_left()
        assert count_in(sqs, dead) == 0

    assert sorted(message["n"] for message in arrived) == list(range(UPDATES))
    assert [message["offset"] for message in arrived] == list(range(1, UPDATES + 1))
