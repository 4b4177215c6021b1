"""Many connections, many projects: every publication once, in order, at exactly its project's subscribers."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from typing import Final

import pytest

from demo.testing import Emulator
from tests.support.gateway import off_loop, running_gateway
from tests.support.links import Client, Open

pytestmark = pytest.mark.asyncio

CONNECTIONS: Final = 500
PROJECTS: Final = 50
PUBLICATIONS: Final = 200


async def test_five_hundred_connections_on_fifty_projects(settings: dict[str, str], open_on: Open) -> None:
    """Ten connections per project, two hundred publications from ten publishers at the same time."""
    projects = [f"crowd-{n}" for n in range(PROJECTS)]
    async with off_loop(running_gateway(settings)) as gateway:
        subscribers = [await open_on(gateway, projects[n % PROJECTS]) for n in range(CONNECTIONS)]
        await asyncio.gather(*(subscriber.next() for subscriber in subscribers))
        publishers = [await open_on(gateway) for _ in range(10)]

        async def publish(publisher: Client, first: int) -> None:
            for n in range(first, PUBLICATIONS, len(publishers)):
                project_id, key = projects[n % PROJECTS], f"crowd-{n}"
                # On a starved machine the emulated table may answer too late: then the protocol says to repeat.
                while True:
                    reply = await publisher.request("publish", project_id=project_id, message={"n": n}, key=key)
                    if not reply.get("retryable"):
                        break
                assert reply["type"] == "publish_confirmed", reply

        await asyncio.gather(*(publish(publisher, first) for first, publisher in enumerate(publishers)))
        each = PUBLICATIONS // PROJECTS
        arrived = await asyncio.gather(*(subscriber.take(each) for subscriber in subscribers))
        nothing_more = await asyncio.gather(*(subscriber.nothing_is_left() for subscriber in subscribers))

    assert all(nothing_more)
    for number, messages in enumerate(arrived):
        project_id = projects[number % PROJECTS]
        assert [message["offset"] for message in messages] == [1, 2, 3, 4]
        assert {message["project_id"] for message in messages} == {project_id}
        assert sorted(message["n"] for message in messages) == list(range(number % PROJECTS, PUBLICATIONS, PROJECTS))
        assert messages == arrived[number % PROJECTS]  # the same order for all subscribers of a project


async def test_updates_from_the_queue_arrive_once_and_leave_it(
    emulator: Emulator, settings: dict[str, str], open_on: Open
) -> None:
    """Three hundred updates of agents for three projects; the log store fails for a while on the way."""
    projects = [f"updates-{n}" for n in range(3)]
    url = settings["SQS_QUEUE_URL_UPDATES"]
    async with off_loop(running_gateway(settings)) as gateway:
        client = await open_on(gateway, *projects)
        await client.take(len(projects))
        emulator.add_fault("dynamodb", "error", operation="PutItem", for_requests=5)
        with closing(emulator.client("sqs")) as sqs:
            for start in range(0, 300, 10):
                entries = [
                    {"Id": str(n), "MessageBody": json.dumps({"project_id": projects[n % 3], "n": n})}
                    for n in range(start, start + 10)
                ]
                sqs.send_message_batch(QueueUrl=url, Entries=entries)
            arrived = await client.take(300)

            def is_empty() -> bool:
                names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
                counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
                return set(counts.values()) == {"0"}

            await asyncio.to_thread(gateway.until, is_empty)
        assert await client.nothing_is_left()

    for number, project_id in enumerate(projects):
        mine = [message for message in arrived if message["project_id"] == project_id]
        assert [message["offset"] for message in mine] == list(range(1, 101))
        assert sorted(message["n"] for message in mine) == list(range(number, 300, 3))
