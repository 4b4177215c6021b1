"""One task, as the function of an agent gets it."""

import json
import uuid
from collections.abc import AsyncIterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from websocket_handler_client.tasks.envelope import Facts
from websocket_handler_client.tasks.run import Run
from websocket_handler_client.tasks.voice import Voice


class Stream:
    """A message that grows: `async with task.stream() as out: await out.write(word)`.

    Followers get AG-UI's events TEXT_MESSAGE_START, TEXT_MESSAGE_CONTENT (`delta`) and TEXT_MESSAGE_END with one
    `messageId`.
    """

    def __init__(self, voice: Voice, run: Run, message_id: str, role: str) -> None:
        self._voice = voice
        self._run = run
        self._role = role
        self.message_id = message_id

    async def write(self, text: str) -> None:
        """Add a piece of text. An empty one adds nothing."""
        if text:
            await self._say("TEXT_MESSAGE_CONTENT", delta=text)

    async def __aenter__(self) -> Self:
        await self._say("TEXT_MESSAGE_START", role=self._role)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or issubclass(kind, Exception):  # not when the task is handed back: its next run goes on here
            await self._say("TEXT_MESSAGE_END")

    async def _say(self, type_: str, **more: str) -> None:
        event = {"type": type_, "messageId": self.message_id, **more}
        await (self._run.say(event) if self._run.has_begun else self._voice.say(event))


@dataclass(frozen=True, slots=True)
class Handover:
    """A task for another agent."""

    agent: str
    message_id: str
    body: str


class Task:
    """A task. What the function returns becomes its result."""

    def __init__(self, agent: str, facts: Facts, attempt: int, voice: Voice) -> None:
        self.data = facts.data
        """What the client sent. It is the client's word: judge it before you act on it."""
        self.project = facts.project_id
        self.message_id = facts.message_id
        """The task's name, the same in every run. Use it to do things in the world once only."""
        self.user_id = facts.user_id
        """Who sent it, as the gateway has verified; None if nobody has to say who they are."""
        self.attempt = attempt
        """How often the queue has given this task to an agent, this time included."""
        self.handed_over: list[Handover] = []
        """What other agents get when the task is done."""
        self.run = Run(voice, facts, attempt)
        """What AG-UI clients see of the task."""
        self._agent = agent
        self._voice = voice
        self._streams = 0

    async def say(self, text: str, **details: Any) -> None:
        """Tell the followers how far it is: an update of the type `<agent>_progress` with `text` and `details`."""
        await self.publish({"type": f"{self._agent}_progress", "text": text, **details})

    async def publish(self, message: dict[str, Any]) -> None:
        """Publish an object of any type to the task's project. It gets `agent` and `task_id` unless it has them. Say
        the same in the same order when the task runs again: then it is seen once."""
        await self._voice.say(message)

    def stream(self, role: str = "assistant") -> Stream:
        """A message that grows."""
        self._streams += 1
        attempt = f"{self.run.attempt}:" if self.run.attempt > 1 else ""  # another message, which is told anew
        return Stream(self._voice, self.run, f"{self.message_id}:{attempt}{self._streams}", role)

    async def agui(self, events: AsyncIterable[Any]) -> None:
        """Publish the events of an AG-UI agent, as LangGraph, Strands, Pydantic AI, CrewAI and others make them:
        objects of `ag_ui.core`, or dicts. Returns when there are no more. The run ends with its RUN_FINISHED or
        RUN_ERROR, or else when the function of the task returns."""
        await self.run.pass_on(events)

    def hand_over(self, agent: str, data: Any) -> str:
        """Give a task to another agent, whose queue `SQS_QUEUE_URL_<AGENT>` names, once this one is done and its result
        is sent. Returns its id, which is the same in every run of this task."""
        message_id = uuid.uuid5(uuid.NAMESPACE_URL, f"{self.message_id}/{agent}").hex
        envelope = {
            "type": agent,
            "project_id": self.project,
            "data": data,
            "message_id": message_id,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "client": {"agent": self._agent},
        }
        self.handed_over.append(Handover(agent, message_id, json.dumps(envelope, ensure_ascii=False)))
        return message_id
