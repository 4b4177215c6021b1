"""The limit on nesting at every way in: what has the most levels gets through unchanged, one level more is refused."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from typing import Any

import aiohttp
import pytest

from demo.testing import Emulator
from tests.support.gateway import Gateway, off_loop, running_gateway
from tests.support.links import Open, new_project
from websocket_handler.protocol.json_text import NESTING_MAX

pytestmark = pytest.mark.asyncio


def lists(levels: int) -> list[Any]:
    """So many lists within one another."""
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


FITTING = NESTING_MAX - 1
"""How many levels fit into one object or array."""


REPLIES = {
    "subscribe": "subscription_confirmed",
    "history": "history",
    "presence": "presence",
    "publish": "publish_confirmed",
    "forward": "forward_confirmed",
    "ping": "pong",
    "authenticate": "authenticated",
    "unsubscribe": "unsubscription_confirmed",
}


async def test_every_command(settings: dict[str, str], open_on: Open) -> None:
    """The refusal has no id, because what is refused was not read. The connection stays."""
    fields = {"project_id": new_project(), "message": {}, "type": "dev", "data": 1, "token": "t"}
    async with off_loop(running_gateway(settings)) as gateway:
        client = await open_on(gateway)
        for action, reply in REPLIES.items():
            taken = await client.request(action, **fields, x=lists(FITTING))
            await client.send(action=action, id="deep", **fields, x=lists(FITTING + 1))
            while (refused := await client.next()).get("type") != "error":
                pass  # the publication that the subscription brings
            assert taken["type"] == reply
            assert (refused["code"], "id" in refused) == ("too_deep", False), action
        assert await client.nothing_is_left()


async def test_a_published_message_and_the_data_of_a_forward(
    emulator: Emulator, settings: dict[str, str], open_on: Open
) -> None:
    """They arrive as they were sent; the object of the message is a level too."""
    project_id, data, message = new_project(), lists(FITTING), {"a": lists(FITTING - 1)}
    async with off_loop(running_gateway(settings)) as gateway:
        client = await open_on(gateway, project_id)
        await client.next()
        await client.publish(project_id, message)
        forwarded = await client.request("forward", type="qa", data=data)
        arrived = await client.next()
    with closing(emulator.client("sqs")) as sqs:
        (task,) = sqs.receive_message(QueueUrl=settings["SQS_QUEUE_URL_QA"], WaitTimeSeconds=5)["Messages"]

    assert message.items() <= arrived.items()
    assert forwarded["type"] == "forward_confirmed"
    assert json.loads(task["Body"])["data"] == data


async def posted(gateway: Gateway, path: str, body: object) -> tuple[int, dict[str, Any]]:
    """The answer to a POST request: status and body."""
    async with (
        aiohttp.ClientSession(gateway.base_url, trust_env=False) as session,
        session.post(path, json=body) as response,
    ):
        return response.status, await response.json()


async def test_a_request_body(settings: dict[str, str]) -> None:
    """One message, a batch, whose array is a level too, and a broadcast."""
    messages, broadcast = f"/api/v1/projects/{new_project()}/messages", "/api/v1/broadcast"
    ways = [
        (messages, {"a": lists(FITTING)}, {"a": lists(FITTING + 1)}),
        (messages, [{}, {"a": lists(FITTING - 1)}], [{}, {"a": lists(FITTING)}]),
        (broadcast, {"a": lists(FITTING)}, {"a": lists(FITTING + 1)}),
        (broadcast, [{}, {"a": lists(FITTING - 1)}], [{}, {"a": lists(FITTING)}]),
    ]
    async with off_loop(running_gateway(settings)) as gateway:
        for path, fitting, too_deep in ways:
            status, _ = await posted(gateway, path, fitting)
            refused_with, error = await posted(gateway, path, too_deep)
            assert (status, refused_with, error["code"]) == (200, 400, "too_deep")


async def test_an_update(emulator: Emulator, settings: dict[str, str], open_on: Open) -> None:
    """The refused one is told in the log and stays in the queue; the one behind it is published."""
    project_id = new_project()
    bodies = [{"project_id": project_id, "a": lists(levels)} for levels in (FITTING + 1, FITTING)]
    async with off_loop(running_gateway(settings)) as gateway:
        client = await open_on(gateway, project_id)
        await client.next()
        with closing(emulator.client("sqs")) as sqs:
            for body in bodies:
                sqs.send_message(QueueUrl=settings["SQS_QUEUE_URL_UPDATES"], MessageBody=json.dumps(body))
        arrived = await client.next()
        told = await asyncio.to_thread(gateway.wait_for_record, "update.malformed")

    assert arrived["a"] == bodies[1]["a"]
    assert told["code"] == "too_deep"
