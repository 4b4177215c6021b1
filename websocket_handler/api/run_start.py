"""Starts a run: hands the task to the agent's queue, and then writes into the project's log that the run has begun.

The log says so only after the queue has the task, so a run that is shown is a run that somebody will work on. Whoever
asks for a run that is being started waits for the same start. A client that leaves meanwhile changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec
from msgspec import Raw

from websocket_handler.api.agui_input import RunInput, newest
from websocket_handler.api.gateway import Gateway
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import ForwardTask, Position
from websocket_handler.protocol.names import Agent
from websocket_handler.protocol.ordinal import Ordinal
from websocket_handler.protocol.publication import PreparedPublication, read_object

ROOM_BYTES: Final = 1024
"""What a run's beginning takes beside its messages."""


def key_of(agent: str, run_id: str, what: str) -> str:
    """The idempotency key of something that is said once in a run: its beginning, its end, the wish to stop it. The
    agent's SDK makes the same key of its own numbers, so the first to say it wins."""
    return Ordinal(f"{agent}:{run_id}:{what}", 0).key


class Starts:
    """The runs that a node is starting."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._under_way: dict[tuple[str, str, str], asyncio.Future[None]] = {}

    async def start(self, sender: str, agent: Agent, asked: RunInput, messages: Sequence[Raw], since: Position) -> None:
        """Start a run, unless it is being started; `since` is a position before it. Raises CommandError: what the
        queue or the log store refuses. Then the run has not begun, and the same request may be sent again."""
        name = (sender, asked.project_id, asked.run_id)
        started = self._under_way.get(name)
        if started is None or started.done():
            started = asyncio.get_running_loop().create_future()
            self._under_way[name] = started
            started.add_done_callback(partial(self._ended, name))
            try:
                _Start(self._gateway, started, agent, asked, messages).begin(sender, since)
            except CommandError as fault:
                started.set_exception(fault)
        await asyncio.shield(started)

    def _ended(self, name: tuple[str, str, str], started: asyncio.Future[None]) -> None:
        if self._under_way.get(name) is started:
            del self._under_way[name]
        started.exception()  # its client may have left


class _Start:
    """One start. Its steps follow each other by callback."""

    def __init__(
        self,
        gateway: Gateway,
        started: asyncio.Future[None],
        agent: Agent,
        asked: RunInput,
        messages: Sequence[Raw],
    ) -> None:
        self._gateway = gateway
        self._started = started
        self._agent = agent
        self._asked = asked
        self._messages = newest(messages, gateway.node.limits.message_bytes - ROOM_BYTES)

    def begin(self, sender: str, since: Position) -> None:
        """Hand the task to the queue. Raises CommandError if it is refused at once."""
        asked = self._asked
        self._beginning = self._prepared()
        task = ForwardTask(
            agent=self._agent,
            message_id=asked.run_id,
            data=asked.task(self._messages, since),
            timestamp=self._gateway.clock.timestamp(),
            connection_id="",
            project_id=asked.project_id,
            user_id=sender,
        )
        self._gateway.forwarding.forward(sender, task, self._forwarded)

    def _forwarded(self, answer: str | CommandError) -> None:
        if isinstance(answer, CommandError):
            self._settle(answer)
            return
        try:
            self._gateway.node.publish(self._beginning, self._settle)
        except CommandError as fault:
            self._settle(fault)

    def _prepared(self) -> PreparedPublication:
        """The beginning of the run, as the log will have it. Raises CommandError: `message_too_large`, if a single
        message is so large that nothing can be left out."""
        asked, agent = self._asked, self._agent.value
        said = {"threadId": asked.project_id, "runId": asked.run_id}
        event = {
            "type": "RUN_STARTED",
            **said,
            "input": {
                **said,
                "state": {},
                "messages": self._messages,
                "tools": [],
                "context": [],
                "forwardedProps": {},
            },
            "agent": agent,
            "task_id": asked.run_id,
            "queued": True,
        }
        message = read_object(msgspec.json.encode(event))
        return self._gateway.node.prepare(message, asked.project_id, key_of(agent, asked.run_id, "started"))

    def _settle(self, answer: Position | CommandError) -> None:
        if self._started.done():
            return
        if isinstance(answer, CommandError) and answer.code is not ErrorCode.CONFLICT:
            self._started.set_exception(answer)
        else:  # a conflict says that the agent was faster, and told in its own words that it begins
            self._started.set_result(None)
