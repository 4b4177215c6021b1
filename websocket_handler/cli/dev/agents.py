"""The demo agents of `websocket-handler dev`: they take tasks from the queues, and say what they do.

They use the operations of SQS as any agent does, and number what they say: a task that comes a second time is seen
once. Agents of your own are best written with the Python SDK.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Any, Final

from websocket_handler.cli.dev.plays import NEXT_AGENT, Update, play
from websocket_handler.cli.dev.queue import SqsError
from websocket_handler.telemetry.time_text import time_text

Call = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Carries out an operation of SQS."""
Sleep = Callable[[float], Awaitable[None]]
PAUSE_S: Final = (0.3, 0.8)
AT_ONCE_MAX: Final = 8
"""So many tasks one agent works on at a time."""
POLL_S: Final = 20


class DemoAgent:
    """The agent pm, dev, qa or ops. `urls` are the queues by the names of the agents, and `updates`."""

    def __init__(self, name: str, urls: Mapping[str, str], call: Call, sleep: Sleep = asyncio.sleep) -> None:
        self._name = name
        self._urls = urls
        self._call = call
        self._sleep = sleep
        self._working: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until cancelled. What is not done then comes again when the queue no longer hides it."""
        try:
            while True:
                if len(self._working) >= AT_ONCE_MAX:
                    await asyncio.wait(self._working, return_when=asyncio.FIRST_COMPLETED)
                free = AT_ONCE_MAX - len(self._working)
                asked = {"QueueUrl": self._urls[self._name], "WaitTimeSeconds": POLL_S, "MaxNumberOfMessages": free}
                answer = await self._call("ReceiveMessage", asked)
                for message in answer.get("Messages", ()):
                    task = asyncio.create_task(self._handle(message))
                    self._working.add(task)
                    task.add_done_callback(self._working.discard)
        finally:
            for task in self._working:
                task.cancel()
            await asyncio.gather(*self._working, return_exceptions=True)

    async def _handle(self, message: Mapping[str, Any]) -> None:
        """Work on a task. One that makes no sense is left to the redrive policy."""
        try:
            task = json.loads(message["Body"])
            task_id, project_id, data = str(task["message_id"]), task["project_id"], task["data"]
        except (ValueError, KeyError, TypeError):
            return
        if project_id is not None:
            await self._work(task_id, str(project_id), data)
        try:
            await self._call(
                "DeleteMessage", {"QueueUrl": self._urls[self._name], "ReceiptHandle": message["ReceiptHandle"]}
            )
        except SqsError:
            return  # another receive of the same task deletes it

    async def _work(self, task_id: str, project_id: str, data: Any) -> None:
        chance, producer = Random(task_id), f"{self._name}:{task_id}"  # noqa: S311 - the same task, the same play
        updates = play(self._name, data, Random(task_id))  # noqa: S311
        common = {"project_id": project_id, "agent": self._name, "task_id": task_id, "steps": len(updates)}
        for step, update in enumerate(updates, start=1):
            if step > 1:
                await self._sleep(chance.uniform(*PAUSE_S))
            said = {**common, **_fields(update), "step": step, "producer": producer, "sequence": step - 1}
            await self._send("updates", said)
        following = NEXT_AGENT.get(self._name)
        if following is not None and not (isinstance(data, dict) and data.get("only") is True):
            await self._send(following, self._handed_over(task_id, project_id, data, following))

    def _handed_over(self, task_id: str, project_id: str, data: Any, following: str) -> dict[str, Any]:
        """The task of the next agent. Its id follows from this one's, so that it is the same if this one runs again."""
        return {
            "type": following,
            "project_id": project_id,
            "data": data,
            "message_id": uuid.uuid5(uuid.NAMESPACE_URL, f"{task_id}/{following}").hex,
            "timestamp": time_text(time.time()),
            "client": {"agent": self._name},
        }

    async def _send(self, queue: str, body: Mapping[str, Any]) -> None:
        text = json.dumps(body, ensure_ascii=False)
        await self._call("SendMessage", {"QueueUrl": self._urls[queue], "MessageBody": text})


def _fields(update: Update) -> dict[str, Any]:
    return {"type": update.type, "text": update.text, **update.details}
