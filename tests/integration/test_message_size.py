"""The largest message that a log store on DynamoDB takes, and one byte more, by every way in."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from typing import Any

import aiohttp
import pytest

from demo.testing import Emulator
from tests.support.gateway import off_loop, running_gateway
from tests.support.links import Open, new_project

pytestmark = pytest.mark.asyncio

LARGEST = 400_000
SETTINGS = {"MAX_MESSAGE_BYTES": str(LARGEST), "OUTBOX_BYTES": "4000000"}


def object_of(size: int, project_id: str | None = None) -> str:
    """A JSON object of exactly so many bytes."""
    fields: dict[str, Any] = {"project_id": project_id} if project_id else {}
    empty = len(json.dumps({**fields, "t": ""}))
    return json.dumps({**fields, "t": "x" * (size - empty)})


async def publish(session: aiohttp.ClientSession, project_id: str, body: str) -> tuple[int, Any]:
    """Publish over HTTP: status and answer."""
    async with session.post(f"/api/v1/projects/{project_id}/messages", data=body) as response:
        return response.status, await response.json()


async def test_the_largest_message_and_one_byte_more_by_every_way_in(
    emulator: Emulator, settings: dict[str, str], open_on: Open
) -> None:
    project_id = new_project().ljust(128, "p")
    async with (
        off_loop(running_gateway(settings, **SETTINGS)) as gateway,
        aiohttp.ClientSession(gateway.base_url) as session,
    ):
        client = await open_on(gateway, project_id)
        await client.next()
        largest, too_large = object_of(LARGEST), object_of(LARGEST + 1)
        refused = [
            await publish(session, project_id, too_large),
            await publish(session, project_id, f"[{{}},{too_large}]"),
        ]
        await client.send(action="publish", project_id=project_id, message={"t": "x" * LARGEST})
        on_socket = await client.next()
        with closing(emulator.client("sqs")) as sqs:
            url = settings["SQS_QUEUE_URL_UPDATES"]
            update = sqs.send_message(QueueUrl=url, MessageBody=object_of(LARGEST + 1, project_id))
            left = await asyncio.to_thread(gateway.wait_for_record, "update.malformed", update_id=update["MessageId"])
            sqs.send_message(QueueUrl=url, MessageBody=object_of(LARGEST, project_id))
            arrived = [await client.next()]
        accepted = [
            await publish(session, project_id, largest),
            await publish(session, project_id, f"[{largest},{largest}]"),
        ]
        last = await client.publish(project_id, {"t": "x" * (LARGEST - 300)})
        arrived += [await client.next() for _ in range(4)]
        assert await client.nothing_is_left()
        is_ready = gateway.ready()

    assert [(status, answer["code"], answer["retryable"]) for status, answer in refused] == [
        (413, "message_too_large", False)
    ] * 2
    assert (on_socket["code"], on_socket["retryable"], left["code"]) == (
        "message_too_large",
        False,
        "message_too_large",
    )
    assert [status for status, _ in accepted] == [200, 200]
    assert [message["offset"] for message in arrived] == [1, 2, 3, 4, 5]
    assert last["offset"] == 5
    assert is_ready[0] == 200


async def test_large_messages_and_small_neighbours_do_not_hurt_each_other(
    settings: dict[str, str], open_on: Open
) -> None:
    """Forty small publications beside one that is as large as can be, and one that is larger, at the same time."""
    project_id = new_project()
    async with (
        off_loop(running_gateway(settings, **SETTINGS)) as gateway,
        aiohttp.ClientSession(gateway.base_url) as session,
    ):
        client = await open_on(gateway, project_id)
        await client.next()
        large = [publish(session, project_id, object_of(size)) for size in (LARGEST, LARGEST + 1)]
        small = [publish(session, project_id, f'{{"n":{number}}}') for number in range(40)]
        answers = await asyncio.gather(*large, *small)
        assert gateway.ready()[0] == 200
        arrived = await client.take(41)
        assert await client.nothing_is_left()

    assert [status for status, _ in answers] == [200, 413, *[200] * 40]
    assert sorted(message["n"] for message in arrived if "n" in message) == list(range(40))
