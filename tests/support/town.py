"""A gateway in this process on real sockets, and a wire in front of it that cuts where a test says."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Final

from tests.support.clock import SteeredClock, loop_time
from tests.support.memory_ports import MemoryForwarder
from tests.support.nodes import NotedEvents, core_options, memory_ports
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.assembly import Core, assemble
from websocket_handler.background import Background
from websocket_handler.composition import make_entrance
from websocket_handler.config import from_environment
from websocket_handler.hub.log import LogLimits
from websocket_handler.life import Edges, Life
from websocket_handler.net.listener import Listener
from websocket_handler.ports.authenticator import Authenticator

SETTINGS: Final = from_environment(
    {
        "DYNAMODB_TABLE_NAME": "table",
        **{f"SQS_QUEUE_URL_{agent}": "http://127.0.0.1:9/queue" for agent in ("PM", "DEV", "QA", "OPS")},
    }
)
LIMITS: Final = LogLimits(messages=100_000, bytes=100_000_000, seconds=1e9)


class Node:
    """One node of the gateway."""

    def __init__(self, core: Core, life: Life, listener: Listener) -> None:
        self.core = core
        self.life = life
        self.listener = listener

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.listener.port


class Town:
    """A log store and queues that outlive their nodes, one node at a time, and the wire to it."""

    def __init__(self, authenticator: Authenticator | None = None, forwarder: MemoryForwarder | None = None) -> None:
        self.clock = SteeredClock(loop_time)
        self.store = MemoryLogStore(self.clock, LIMITS)
        self.forwarder = forwarder or MemoryForwarder()
        self.wire = Wire()
        self.node: Node
        self._authenticator = authenticator
        self._log_ids = count(1)

    async def begin(self) -> None:
        """Start the wire and the first node."""
        await self.wire.start()
        self.node = await self._start()

    async def replace(self, *, drain_s: float = 1.0) -> None:
        """Drain the node and put another in its place, which finds everything in the store. Clients are told to come
        back first; with `drain_s` 0 they are cut off."""
        before, self.node = self.node, await self._start()
        before.life._drain_s = drain_s
        if drain_s == 0:
            before.life.stop_now()
            self.wire.cut()
        await before.life.stop()

    async def lose_log(self) -> None:
        """Put a node in place whose store is empty: every log begins a new epoch."""
        self.store = MemoryLogStore(self.clock, LIMITS)
        await self.replace(drain_s=0)

    async def end(self) -> None:
        """Stop everything."""
        self.node.life.stop_now()
        await self.node.life.stop()
        await self.wire.stop()

    @property
    def url(self) -> str:
        """Where clients connect: at the wire."""
        return f"ws://127.0.0.1:{self.wire.port}/ws"

    async def publish(self, message: dict[str, Any], project_id: str = "p") -> None:
        """Publish on the node, and return once its log holds it."""
        stored = asyncio.Event()
        self.node.core.server.send_to_project(project_id, message, done=lambda _answer: stored.set())
        await stored.wait()

    def tasks(self) -> list[dict[str, Any]]:
        """What the agents' queues hold, in order."""
        return [json.loads(task.data) for queue in self.forwarder.queues.values() for task in queue]

    async def _start(self) -> Node:
        ports = memory_ports(
            clock=self.clock,
            log_store=self.store,
            forwarder=self.forwarder,
            authenticator=self._authenticator,
            new_log_id=lambda: f"log{next(self._log_ids)}",
        )
        core = assemble(ports, core_options())
        listener = Listener(("127.0.0.1",), 0, make_entrance(SETTINGS, core).protocol)
        life = Life(core, Background(NotedEvents()), Edges(above=[listener]), drain_s=1.0)
        await life.start()
        self.wire.target = listener.port
        return Node(core, life, listener)


class Wire:
    """A proxy for bytes. It cuts a connection after so many bytes in either direction, or all of them at once."""

    def __init__(self) -> None:
        self.target = 0
        self.port = 0
        self.limits: list[tuple[str, int]] = []
        """For each connection to come: `down` or `up`, and the bytes after which it is cut."""
        self.opened = 0
        self.cuts = 0
        """How many connections were cut."""
        self._open: dict[_Near, None] = {}
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Near(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Cut everything, and listen no more."""
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Cut every connection, without a close frame."""
        for near in list(self._open):
            near.cut()

    def joined(self, near: "_Near") -> None:
        """A connection has begun."""
        self.opened += 1
        self._open[near] = None

    def left(self, near: "_Near") -> None:
        """A connection has ended."""
        self._open.pop(near, None)


class _Near(asyncio.Protocol):
    """The client's end of a connection."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.far: _Far | None = None
        self._early = b""
        self.room = wire.limits.pop(0) if wire.limits else ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.wire.joined(self)
        loop = asyncio.get_running_loop()
        self.opening = loop.create_task(loop.create_connection(lambda: _Far(self), "127.0.0.1", self.wire.target))
        self.opening.add_done_callback(self._opened)

    def _opened(self, opening: "asyncio.Task[Any]") -> None:
        if opening.cancelled() or opening.exception() is not None:
            self.transport.abort()

    def connected(self, far: "_Far") -> None:
        self.far = far
        far.transport.write(self.allowed("up", self._early))

    def data_received(self, data: bytes) -> None:
        if self.far is None:
            self._early += data
        else:
            self.far.transport.write(self.allowed("up", data))

    def allowed(self, way: str, data: bytes) -> bytes:
        """What may pass. Beyond the limit, both ends are cut."""
        if self.room[0] != way:
            return data
        passed, self.room = data[: self.room[1]], (way, self.room[1] - len(data))
        if self.room[1] <= 0:
            asyncio.get_running_loop().call_soon(self.cut)
        return passed

    def cut(self) -> None:
        """Both ends are gone."""
        self.wire.cuts += not self.transport.is_closing()
        self.transport.abort()
        if self.far is not None:
            self.far.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.wire.left(self)
        self.opening.cancel()
        if self.far is not None:
            self.far.transport.close()


class _Far(asyncio.Protocol):
    """The gateway's end of a connection."""

    def __init__(self, near: _Near) -> None:
        self._near = near

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._near.connected(self)

    def data_received(self, data: bytes) -> None:
        self._near.transport.write(self._near.allowed("down", data))

    def connection_lost(self, exc: Exception | None) -> None:
        self._near.transport.close()


@asynccontextmanager
async def town(
    authenticator: Authenticator | None = None, forwarder: MemoryForwarder | None = None
) -> AsyncIterator[Town]:
    """A gateway for the length of the block."""
    made = Town(authenticator, forwarder)
    await made.begin()
    try:
        yield made
    finally:
        await made.end()
