"""A log that the store loses: whoever follows it, or waits on it, hears of the new epoch at once, whichever way they
read. A whole node in this process, real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import pytest

from tests.support.clock import SteeredClock, loop_time
from tests.support.nodes import NotedEvents, core_options, memory_ports
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.assembly import Core, assemble
from websocket_handler.background import Background
from websocket_handler.composition import make_entrance
from websocket_handler.config import from_environment
from websocket_handler.hub.log import LogLimits
from websocket_handler.life import Edges, Life
from websocket_handler.net.listener import Listener

pytestmark = pytest.mark.asyncio

SETTINGS: Final = from_environment(
    {
        "DYNAMODB_TABLE_NAME": "table",
        **{f"SQS_QUEUE_URL_{agent}": "http://127.0.0.1:9/queue" for agent in ("PM", "DEV", "QA", "OPS")},
    }
)
STORE_BYTES: Final = 1000
"""The store drops the log that was used longest ago when all of them take more."""
WAIT_S: Final = 60
GUARD_S: Final = 30.0
"""An answer that comes later than this was not woken."""
TURNS: Final = 100
"""Of the loop, in which everything gets as far as it can without another event."""

Json = dict[str, Any]
Read = Callable[[str], Coroutine[Any, Any, Json]]


class Scene:
    """A node with one publication in the project `p`, over a store that is about to lose it."""

    def __init__(self, core: Core, session: aiohttp.ClientSession, epoch: str) -> None:
        self.core = core
        self.epoch = epoch
        self._session = session
        self._waiting = asyncio.Event()

    async def follow(self) -> Json:
        """What a subscriber on a WebSocket gets after its confirmation."""
        async with self._session.ws_connect("/ws?project_id=p") as client:
            assert (await client.receive_json())["type"] == "connected"
            assert (await client.receive_json())["type"] == "subscription_confirmed"
            self._waiting.set()
            told: Json = await client.receive_json()
            return told

    async def stream(self) -> Json:
        """What a reader of the event stream gets after its confirmation: the kind of the event, and its id."""
        async with self._session.get("/api/v1/projects/p/events") as response:
            while await response.content.readline() != b"event: subscription_confirmed\n":
                pass
            while await response.content.readline() != b"\n":
                pass
            self._waiting.set()
            kind, position = await response.content.readline(), await response.content.readline()
            return {"event": kind.decode().strip(), "id": position.decode().strip()}

    async def poll(self) -> Json:
        """What a long poll gets."""
        question = f"/api/v1/projects/p/messages?after=1&epoch={self.epoch}&wait={WAIT_S}"
        async with self._session.get(question) as response:
            answer: Json = await response.json()
            return answer

    async def answer_after_the_loss(self, read: Coroutine[Any, Any, Json]) -> Json:
        """Begin to read, let the store lose the log once the reader waits, and give what the reader gets."""
        async with asyncio.timeout(GUARD_S):
            reading = asyncio.create_task(read)
            while not (self._waiting.is_set() or self.core.ports.counters.streams or reading.done()):  # noqa: ASYNC110
                await asyncio.sleep(0)
            for _ in range(TURNS):
                await asyncio.sleep(0)
            stored = asyncio.Event()
            large = {"text": "x" * STORE_BYTES}  # p's log goes for its sake
            self.core.server.send_to_project("another", large, done=lambda _answer: stored.set())
            await stored.wait()
            project = self.core.node.projects.find("p")
            assert project is not None
            project.journal.refresh(lambda _fault: None)
            assert project.journal.log.epoch != self.epoch
            return await reading

    @property
    def new_epoch(self) -> str:
        """The epoch after the loss."""
        project = self.core.node.projects.find("p")
        assert project is not None
        return project.journal.log.epoch


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    """A node on a socket of its own, for the length of the block."""
    clock = SteeredClock(loop_time)
    store = MemoryLogStore(clock, LogLimits(), bytes_max=STORE_BYTES)
    core = assemble(memory_ports(clock=clock, log_store=store), core_options())
    listener = Listener(("127.0.0.1",), 0, make_entrance(SETTINGS, core).protocol)
    life = Life(core, Background(NotedEvents()), Edges(above=[listener]), drain_s=0)
    await life.start()
    try:
        connector = aiohttp.TCPConnector(force_close=True)  # a handshake needs a socket of its own
        url = f"http://127.0.0.1:{listener.port}"
        async with aiohttp.ClientSession(url, connector=connector, trust_env=False) as session:
            async with session.post("/api/v1/projects/p/messages", json={"n": 1}) as response:
                confirmed = await response.json()
            assert confirmed["offset"] == 1
            yield Scene(core, session, confirmed["epoch"])
    finally:
        await life.stop()


async def test_a_lost_log_wakes_a_subscriber_on_a_websocket() -> None:
    async with scene() as made:
        told = await made.answer_after_the_loss(made.follow())
        assert (told["type"], told["recovered"]) == ("subscription_reset", False)
        assert (told["epoch"], told["offset"]) == (made.new_epoch, 0)


async def test_a_lost_log_wakes_an_event_stream() -> None:
    async with scene() as made:
        told = await made.answer_after_the_loss(made.stream())
        assert told == {"event": "event: subscription_reset", "id": f"id: {made.new_epoch}:0"}


async def test_a_lost_log_wakes_a_long_poll() -> None:
    async with scene() as made:
        answer = await made.answer_after_the_loss(made.poll())
        assert (answer["recovered"], answer["messages"]) == (False, [])
        assert (answer["epoch"], answer["offset"]) == (made.new_epoch, 0)
