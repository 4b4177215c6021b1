"""A gateway with an agent at work, for others' front ends. The agent's queue and the log outlive the gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.support.memory_ports import MemoryForwarder
from tests.support.town import Town, town
from tests.support.writer import Writer
from websocket_handler.ports.forwarder import Accepted, Prepared, Refused
from websocket_handler.protocol.names import Agent as AgentName
from websocket_handler_client import Agent
from websocket_handler_client.publishing.http import HttpOutlet
from websocket_handler_client.tasks.stops import stops_from
from websocket_handler_client.testing import FakeQueue


class Deliveries(MemoryForwarder):
    """The agents' queues. What the gateway sends is at once where the agent `dev` takes it."""

    def __init__(self, queue: FakeQueue) -> None:
        super().__init__()
        self._queue = queue

    async def send(self, agent: AgentName, tasks: Sequence[Prepared]) -> Sequence[Accepted | Refused]:
        answers = await super().send(agent, tasks)
        for task in tasks:
            one = task.message
            self._queue.put(json.loads(one.data), project_id=one.project_id, message_id=one.message_id)
        return answers


class Place:
    """A gateway that can be cut, killed and drained, with an agent whose queue and whose log outlive it."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.writer = Writer()
        self.outlet = HttpOutlet(self.base_url)

    @property
    def base_url(self) -> str:
        """Where clients and the agent find the gateway."""
        return f"http://127.0.0.1:{self.town.wire.port}"

    def tasks(self, run_id: str) -> int:
        """How many messages the agent's queue got for a run."""
        return sum(task.message_id == run_id for task in self.town.forwarder.queues[AgentName.DEV])

    def tasks_of(self, thread: str) -> int:
        """How many messages the agents' queues got for a thread."""
        return sum(task.project_id == thread for queue in self.town.forwarder.queues.values() for task in queue)

    async def replace(self, *, drain_s: float) -> None:
        """Put another node in the place of this one, which ends as a process does: with all its connections."""
        await self.town.replace(drain_s=drain_s)
        self.town.wire.cut()


@asynccontextmanager
async def working_place() -> AsyncIterator[Place]:
    """A gateway and an agent at work."""
    queue = FakeQueue()
    async with town(forwarder=Deliveries(queue)) as made:
        place = Place(made)
        stops = stops_from({"WEBSOCKET_HANDLER_URL": place.base_url})
        agent = Agent("dev", queue=queue, outlet=place.outlet, stops=stops, poll_s=1.0, grace_s=0.1)
        agent.task(place.writer.work)
        serving = asyncio.create_task(agent.serve())
        try:
            yield place
        finally:
            agent.stop()
            await serving
            place.outlet.close()
