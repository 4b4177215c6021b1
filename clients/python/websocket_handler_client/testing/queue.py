"""An agent's queue in memory, with the rules of SQS: hidden for a while, shown again, moved away in the end."""

import asyncio
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from websocket_handler_client.tasks.queue import LeaseLostError, QueueUnavailableError, Received


@dataclass
class _Message:
    body: str
    attributes: dict[str, str]
    group: str | None
    receives: int = 0
    visible_at_s: float = 0.0
    handle: str = ""
    handles: set[str] = field(default_factory=set)


class FakeQueue:
    """Give it to `Agent(…, queue=queue, outlet=FakeOutlet())`. It uses the event loop's clock."""

    def __init__(self, *, hidden_s: float = 30.0, receives_max: int | None = 5) -> None:
        self.hidden_s = hidden_s
        self.receives_max = receives_max
        self.deleted: list[str] = []
        """The bodies of messages that were deleted, in order."""
        self.dead: list[str] = []
        """The bodies of messages that were received too often."""
        self.sent: list[tuple[str, dict[str, Any]]] = []
        """Tasks that were handed over: agent and envelope. The same task again is not there again."""
        self.is_down = False
        """True makes every call raise QueueUnavailableError."""
        self._messages: list[_Message] = []
        self._changed = asyncio.Event()

    # For the test

    def put(
        self, data: Any, *, project_id: str | None = "p", message_id: str | None = None, group: str | None = None
    ) -> str:
        """Put a task as the gateway does. With `group` it is a FIFO queue's. Returns the task's id."""
        name = message_id or uuid.uuid4().hex
        envelope = {"type": "test", "project_id": project_id, "data": data, "message_id": name, "client": {}}
        self.put_body(json.dumps(envelope), {"MessageId": name}, group)
        return name

    def put_body(self, body: str, attributes: dict[str, str] | None = None, group: str | None = None) -> None:
        """Put any message."""
        self._messages.append(_Message(body, attributes or {}, group))
        self._tell()

    async def until_empty(self) -> None:
        """Return once every message is deleted or moved away."""
        while self._messages:
            await self._change(None)

    @property
    def waiting(self) -> int:
        """The messages that anybody may receive now."""
        return sum(message.visible_at_s <= self._now_s() for message in self._messages)

    def lose_leases(self) -> None:
        """Show everything again at once, as if its time were over: whoever works on it has lost it."""
        for message in self._messages:
            message.visible_at_s = 0.0
            message.handles.clear()
        self._tell()

    # For the agent

    async def look_up(self) -> None:
        """Nothing to learn."""
        self._check()

    async def receive(self, count: int, wait_s: float) -> list[Received]:
        """Take messages that are not hidden; of a group only in its order, and none while an earlier one is hidden."""
        end_s = self._now_s() + wait_s
        while True:
            self._check()
            found = self._take(count)
            left_s = end_s - self._now_s()
            if found or left_s <= 0:
                return found
            hidden = (message.visible_at_s - self._now_s() for message in self._messages)
            await self._change(min([left_s, *(seconds for seconds in hidden if seconds > 0)]))

    async def hide(self, handle: str, seconds: float) -> None:
        """Hide a message, or show it."""
        self._check()
        message = self._find(handle)
        if message is None or message.visible_at_s <= self._now_s():
            raise LeaseLostError("the message is not hidden")
        message.visible_at_s = self._now_s() + seconds
        self._tell()

    async def delete(self, handle: str) -> None:
        """Delete a message. SQS takes any handle that it ever gave for it."""
        self._check()
        message = self._find(handle)
        if message is not None:
            self._messages.remove(message)
            self.deleted.append(message.body)
            self._tell()

    async def send(self, agent: str, message_id: str, project_id: str | None, body: str) -> None:
        """Note a task for another agent."""
        self._check()
        if all(envelope["message_id"] != message_id for _, envelope in self.sent):
            self.sent.append((agent, json.loads(body)))

    def _take(self, count: int) -> list[Received]:
        found: list[Received] = []
        blocked: set[str] = set()
        for message in list(self._messages):
            is_hidden = message.visible_at_s > self._now_s()
            if is_hidden and message.group is not None:
                blocked.add(message.group)
            if is_hidden or message.group in blocked or len(found) == count:
                continue
            if self.receives_max is not None and message.receives >= self.receives_max:
                self._messages.remove(message)
                self.dead.append(message.body)
                self._tell()
                continue
            found.append(self._hand_out(message))
        return found

    def _hand_out(self, message: _Message) -> Received:
        message.receives += 1
        message.handle = uuid.uuid4().hex
        message.handles.add(message.handle)
        message.visible_at_s = self._now_s() + self.hidden_s
        return Received(message.handle, message.body, message.attributes, message.group, message.receives)

    def _find(self, handle: str) -> _Message | None:
        return next((message for message in self._messages if handle in message.handles), None)

    def _check(self) -> None:
        if self.is_down:
            raise QueueUnavailableError("the queue is down")

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change(self, timeout_s: float | None) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return
