"""AG-UI on a node in memory: what clients post, what agents say, and what comes of it."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final

from tests.support.http_api import Api, Exchange
from tests.support.memory_ports import MemoryForwarder
from websocket_handler.protocol.names import Agent

RUN: Final = "/agui/agent/dev/run"
CONNECT: Final = "/agui/agent/dev/connect"
TEXT: Final = {"messageId": "m"}


def asked(run_id: str = "r1", *, thread: str = "p", version: str | None = "1.0", **more: Any) -> bytes:
    """What a client posts."""
    fields = {"threadId": thread, "runId": run_id, "messages": [], "tools": [], "context": [], "forwardedProps": {}}
    return json.dumps({**fields, **({} if version is None else {"protocolVersion": version}), **more}).encode()


def user(message_id: str, text: str) -> dict[str, str]:
    return {"id": message_id, "role": "user", "content": text}


def frames(exchange: Exchange) -> list[tuple[str | None, dict[str, Any]]]:
    """The id and the event of each frame that has come. An empty id is an empty text."""
    found: list[tuple[str | None, dict[str, Any]]] = []
    for block in exchange.body.decode().split("\n\n")[:-1]:
        lines = block.split("\n")
        data = [line.removeprefix("data: ") for line in lines if line.startswith("data:")]
        ids = [line.removeprefix("id:").strip() for line in lines if line.startswith("id:")]
        if data:
            found.append((ids[-1] if ids else None, json.loads("\n".join(data))))
    return found


def types(exchange: Exchange) -> list[str]:
    return [event["type"] for _, event in frames(exchange)]


class Scene:
    """A node with a project in which agents say things."""

    def __init__(self, **options: Any) -> None:
        self.api = Api(**options)
        self.core = self.api.core
        self.counters = self.core.ports.counters

    def say(self, *events: dict[str, Any], project: str = "p") -> None:
        """An agent publishes something."""
        for event in events:
            self.core.server.send_to_project(project, event)

    @property
    def tasks(self) -> list[Any]:
        """What the agents' queues got."""
        forwarder = self.core.ports.forwarder
        assert isinstance(forwarder, MemoryForwarder)
        return forwarder.queues[Agent.DEV]

    def begin(self, target: str, body: bytes, **headers: str) -> "tuple[Exchange, asyncio.Task[Any]]":
        return self.api.begin("POST", target, body, **headers)

    async def stands(self) -> str:
        """The position of the end of the log."""
        feed = self.core.node.feed("p")
        with feed:
            await feed.begin(None)
            return f"{feed.position.epoch}:{feed.position.offset}"


def spoken(run_id: str, *words: str, ends: bool = True) -> Sequence[dict[str, Any]]:
    """The events of an answer."""
    run = {"runId": run_id}
    content = [{"type": "TEXT_MESSAGE_CONTENT", **TEXT, **run, "delta": word} for word in words]
    last = [{"type": "TEXT_MESSAGE_END", **TEXT, **run}, {"type": "RUN_FINISHED", "threadId": "p", **run}]
    return [{"type": "TEXT_MESSAGE_START", **TEXT, **run, "role": "assistant"}, *content, *(last if ends else [])]
