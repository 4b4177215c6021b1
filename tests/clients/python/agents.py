"""An agent at work on a queue in memory, and work that lasts as long as a test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websocket_handler_client import Agent, Task
from websocket_handler_client.tasks.worker import Work
from websocket_handler_client.testing import FakeOutlet, FakeQueue


class Scene:
    """An agent `dev` at work."""

    def __init__(self, queue: FakeQueue, outlet: FakeOutlet, agent: Agent) -> None:
        self.queue = queue
        self.outlet = outlet
        self.agent = agent

    @property
    def types(self) -> list[str]:
        """The types of what followers see."""
        return [message["type"] for message in self.outlet.published]


@asynccontextmanager
async def working(work: Work, queue: FakeQueue | None = None, **options: Any) -> AsyncIterator[Scene]:
    """Let an agent work for the length of the block."""
    scene = Scene(queue or FakeQueue(), FakeOutlet(), Agent("never"))
    scene.agent = Agent("dev", queue=scene.queue, outlet=scene.outlet, **options)
    scene.agent.task(work)
    serving = asyncio.create_task(scene.agent.serve())
    try:
        yield scene
    finally:
        scene.agent.stop()
        await serving


class Gate:
    """Work that lasts until the test lets it end."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.most = 0
        self._running = 0
        self._open = asyncio.Event()

    async def __call__(self, task: Task) -> None:
        self.begun.append(task.data)
        self._running += 1
        self.most = max(self.most, self._running)
        try:
            await self._open.wait()
        finally:
            self._running -= 1

    def open(self) -> None:
        """Let all of it end."""
        self._open.set()


def gated(gate: Gate) -> Work:
    """A function of a task that is this gate."""

    async def work(task: Task) -> None:
        await gate(task)

    return work
