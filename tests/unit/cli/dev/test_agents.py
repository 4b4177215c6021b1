"""Demo agents take tasks, say what they do under numbers, and hand over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.patience import PATIENCE_S
from websocket_handler.cli.dev.agents import DemoAgent
from websocket_handler.cli.dev.backstage import create_queues
from websocket_handler.cli.dev.sqs import Sqs

pytestmark = pytest.mark.asyncio


class Stage:
    """Queues, and an agent that never pauses."""

    def __init__(self, sqs: Sqs, urls: dict[str, str]) -> None:
        self.sqs = sqs
        self.urls = urls

    async def send(self, queue: str, body: object) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        await self.sqs.call("SendMessage", {"QueueUrl": self.urls[queue], "MessageBody": text})

    async def next(self, queue: str) -> dict[str, Any]:
        """The next message of a queue, which is deleted."""
        asked = {"QueueUrl": self.urls[queue], "WaitTimeSeconds": 20}
        async with asyncio.timeout(PATIENCE_S):
            while not (answer := await self.sqs.call("ReceiveMessage", asked)):
                pass
        [message] = answer["Messages"]
        deleted = {"QueueUrl": self.urls[queue], "ReceiptHandle": message["ReceiptHandle"]}
        await self.sqs.call("DeleteMessage", deleted)
        body: dict[str, Any] = json.loads(message["Body"])
        return body

    def counts(self, queue: str) -> tuple[int, int, int]:
        return self.sqs.queues[self.urls[queue].rpartition("/")[2]].counts(self.sqs.now())


async def at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


@asynccontextmanager
async def working(name: str) -> AsyncIterator[Stage]:
    """An agent at work."""
    sqs = Sqs("http://127.0.0.1", "us-east-1")
    stage = Stage(sqs, await create_queues(sqs))
    agent = asyncio.create_task(DemoAgent(name, stage.urls, sqs.call, at_once).run())
    try:
        yield stage
    finally:
        agent.cancel()
        await asyncio.gather(agent, return_exceptions=True)


TASK = {"message_id": "m1", "project_id": "p", "data": {"text": "Build it"}}


async def test_a_task_becomes_numbered_updates_and_a_task_of_the_next_agent() -> None:
    async with working("dev") as stage:
        await stage.send("dev", TASK)
        handed_over = await stage.next("qa")
        updates = [await stage.next("updates") for _ in range(5)]
    assert [update["sequence"] for update in updates] == [0, 1, 2, 3, 4]
    assert {update["producer"] for update in updates} == {"dev:m1"}
    assert (updates[0]["type"], updates[-1]["type"], updates[-1]["task_id"]) == ("dev_accepted", "dev_result", "m1")
    assert (handed_over["type"], handed_over["project_id"], handed_over["data"]) == ("qa", "p", TASK["data"])


async def test_a_task_that_comes_twice_says_and_hands_over_the_same() -> None:
    async with working("pm") as stage:
        said = []
        for _ in range(2):
            await stage.send("pm", TASK)
            tasks = await stage.next("dev")
            said.append((tasks["message_id"], [await stage.next("updates") for _ in range(4)]))
    assert said[0] == said[1]


async def test_what_makes_no_sense_is_left_to_the_redrive_policy_and_a_task_without_a_project_is_silent() -> None:
    async with working("ops") as stage:
        await stage.send("ops", "no json")
        await stage.send("ops", {**TASK, "project_id": None})
        await stage.send("ops", {**TASK, "data": {"text": "x", "only": True}})
        for _ in range(5):
            await stage.next("updates")
        while stage.counts("ops") != (0, 1, 0):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
    assert stage.counts("updates") == (0, 0, 0)
