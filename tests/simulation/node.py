"""One gateway process in the simulation: the product's parts, put together as `composition.py` does, over fakes."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any, cast

from tests.simulation.loop import Owner
from tests.simulation.network import Descriptors, Link, as_transport
from tests.simulation.store_watch import WatchedStore
from websocket_handler.access.admission import Admission, AdmissionOptions
from websocket_handler.access.open_access import OpenAccess
from websocket_handler.adapters.aws.dynamodb_log import DynamoDbLogOptions, DynamoDbLogStore
from websocket_handler.adapters.aws.dynamodb_peers import DynamoDbPeers
from websocket_handler.adapters.aws.dynamodb_state import DynamoDbStateStore
from websocket_handler.adapters.aws.sqs_forwarder import SqsForwarder
from websocket_handler.adapters.aws.sqs_updates import SqsUpdateSource
from websocket_handler.adapters.aws.table import Table
from websocket_handler.adapters.memory import MemoryLogStore, MemoryPeers
from websocket_handler.delivery.flush import flush
from websocket_handler.delivery.follower import Follower
from websocket_handler.delivery.forwarding import Forwarding, ForwardLimits
from websocket_handler.delivery.node import Node
from websocket_handler.delivery.recorder import StateRecorder
from websocket_handler.delivery.updates import UpdateConsumer
from websocket_handler.hub.log import LogLimits
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.queue import Published
from websocket_handler.net.drain import hand_over
from websocket_handler.net.keepalive import Keepalive, KeepaliveOptions
from websocket_handler.net.shared import Shared
from websocket_handler.net.websocket import WebSocket
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.log_store import LogStore, Segment
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.deflate import DeflateFraming
from websocket_handler.protocol.frames import PLAIN, Framing
from websocket_handler.protocol.identity import ANYONE
from websocket_handler.protocol.messages import Position, Subscribe
from websocket_handler.protocol.names import Agent
from websocket_handler.protocol.publication import finish, read_object
from websocket_handler.protocol.replies import Greeting
from websocket_handler.protocol.session import SessionLimits
from websocket_handler.server import ServerOptions, WebSocketServer
from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.log import EventLog

if TYPE_CHECKING:
    from tests.simulation.world import World

TABLE = "table"
UPDATES_QUEUE = "updates"
DRAIN_S = 2.0
FLUSH_S = 5.0
PENDING_BYTES = 200_000
RESTART_DELAY_S = 1.0


class _Log:
    """Where the node's events go. An exception that no rule foresaw is a violation."""

    def __init__(self, process: "Process") -> None:
        self._process = process

    def emit(self, event: str, **fields: object) -> None:
        self._process.world.trace(f"{self._process.name} {event}")

    def report(self, event: str, fields: dict[str, object]) -> None:
        self._process.world.trace(f"{self._process.name} {event} {fields}")

    def exception(self, event: str, fault: BaseException, **fields: object) -> None:
        if not self._process.is_frozen:
            self._process.world.bug(event, fault)


@dataclass(slots=True)
class Parts:
    """What a node consists of."""

    store: LogStore
    node: Node
    forwarding: Forwarding
    recorder: StateRecorder
    follower: Follower
    updates: UpdateConsumer | None
    server: WebSocketServer
    shared: Shared


class Process(Owner):
    """A node that can crash at any effect, or drain and go."""

    def __init__(self, world: "World", name: str) -> None:
        super().__init__(name)
        self.world = world
        self.fuse: int | None = None
        self.links: list[Link] = []
        self.descriptors = Descriptors()
        self.is_listening = False
        self.is_gone = False
        self._ids = 0
        self._accepted = 0
        self._deflate: Framing = DeflateFraming() if world.scenario.has_compression else PLAIN
        self._random = Random(f"{world.scenario.seed} {name}")
        self.log = cast("EventLog", _Log(self))
        self.parts: Parts = self.context.run(self._build)

    def new_id(self) -> str:
        """Unique, and the same in every run of the seed."""
        self._ids += 1
        return f"{self.name}-{self._ids}"

    def may_act(self) -> bool:
        """Whether an effect still leaves the process; counts towards a planned crash."""
        if self.fuse is not None and not self.is_frozen:
            self.fuse -= 1
            if self.fuse <= 0:
                self.world.crash(self, "at an effect")
        return not self.is_frozen

    # Building

    def _build(self) -> Parts:
        world, plan = self.world, self.world.scenario
        limits = self._limits()
        call = world.aws.of(self.may_act)
        table = Table(TABLE, call, backoff=Backoff(self._random.random))
        counters = Counters()
        store: LogStore
        if plan.store == "memory":
            store = WatchedStore(MemoryLogStore(world.clock, limits.log), self._memory_committed)
        else:
            store = DynamoDbLogStore(table, self.start_task, world.clock, DynamoDbLogOptions(history=limits.log))
        engine = Engine(store, world.clock, world.loop, limits, counters, self.new_id, finish)
        if plan.is_native:
            engine = replace(engine, group=self.descriptors.group)
        state = DynamoDbStateStore(table, world.clock)
        recorder = StateRecorder(state, self.name, world.clock, self._random, self.log.report)
        node = Node(engine, MemoryLogStore(world.clock, limits.log), recorder)
        suffix = ".fifo" if plan.has_fifo else ""
        urls = {agent: f"{agent.value}{suffix}" for agent in Agent}
        forwarding = Forwarding(
            SqsForwarder(urls, "envelope", call), world.clock, ForwardLimits(), counters, self._random
        )
        follower = Follower(DynamoDbPeers(table) if store.is_shared else MemoryPeers(), node, self.name, world.clock)
        updates = None
        if plan.has_updates:
            source = SqsUpdateSource(UPDATES_QUEUE, call, long_poll_s=5)
            updates = UpdateConsumer(source, node, counters, self._random, self.log.report)
        greeting = Greeting(self.name, 25, 65536, 256, 1000, plan.ring_messages)
        options = ServerOptions(greeting, SessionLimits(65536, 1000, 0))
        access = OpenAccess(self.new_id)
        admission = Admission(AdmissionOptions(), world.clock.monotonic, access, lambda: 0)
        server = WebSocketServer(node, forwarding, world.clock, options, self.new_id, access)
        watching = KeepaliveOptions(slow_client_timeout_s=10)
        keepalive = Keepalive(watching, world.clock.monotonic, admission.is_memory_short)
        shared = Shared(server, admission, keepalive, counters, self.log, world.clock.monotonic, 65536)
        return Parts(store, node, forwarding, recorder, follower, updates, server, shared)

    def _memory_committed(self, project: str, segment: Segment) -> None:
        if not self.is_frozen:
            self.world.memory_committed(project, segment)

    def _limits(self) -> DeliveryLimits:
        plan = self.world.scenario
        return DeliveryLimits(
            log=LogLimits(plan.ring_messages, plan.ring_bytes, 3600.0),
            history_page_bytes=plan.outbox_bytes,
            write_bytes=plan.outbox_bytes // 2,
            pending_bytes=PENDING_BYTES,
            project_idle_s=3.0,
        )

    # Life

    def start(self) -> None:
        """Begin to work; the node listens at once."""
        self.context.run(self._start)

    def _start(self) -> None:
        parts = self.parts
        parts.shared.keepalive.start()
        self.start_task(self._supervise(self._sweep))
        self.start_task(self._supervise(parts.recorder.run))
        self.start_task(self._supervise(self._probe))
        if parts.store.is_shared:
            self.start_task(self._supervise(parts.follower.run))
        if parts.updates is not None:
            self.start_task(self._supervise(parts.updates.run))
        self.is_listening = True

    def start_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the background; its failure is a violation."""
        task = self.world.loop.create_task(work)
        task.add_done_callback(self._task_ended)

    def _task_ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (fault := task.exception()) is not None and not self.is_frozen:
            self.world.bug("task.failed", fault)

    async def _supervise(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception as fault:
                self.log.exception("task.failed", fault)
            await asyncio.sleep(RESTART_DELAY_S)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(5.0)
            self.parts.node.sweep()

    async def _probe(self) -> None:
        while True:
            await self.parts.store.check()
            await asyncio.sleep(3.0)

    def accept(self, link: Link, named: list[tuple[str, dict[str, Any] | None]]) -> bool:
        """Take a connection in; whether that worked."""
        if not self.is_listening or self.is_frozen:
            return False
        subscriptions = tuple(
            Subscribe(project_id=project, since=Position(since["epoch"], since["offset"]))
            if since
            else Subscribe(project_id=project)
            for project, since in named
        )
        framing: Framing = self._deflate if self._accepted % 2 else PLAIN
        self._accepted += 1
        link.websocket = WebSocket(self.parts.shared, as_transport(link.socket), subscriptions, ANYONE, "", framing)
        self.links = [known for known in self.links if not known.is_closed]
        self.links.append(link)
        try:
            self.context.run(link.websocket.begin, b"")
        except CommandError:
            link.is_closed = True
            return False
        return True

    def publish(self, project_id: str, body: bytes, key: str, done: Published) -> None:
        """Publish as the HTTP routes do. Raises CommandError when it is refused."""
        node = self.parts.node
        node.publish(node.prepare(read_object(body), project_id, key), done)

    def drain(self) -> None:
        """SIGTERM: hand over, flush, and go."""
        self.is_listening = False
        self.context.run(self.start_task, self._drain())

    async def _drain(self) -> None:
        """As `App.stop` does."""
        parts = self.parts
        parts.server.is_draining = True
        if parts.updates is not None:
            parts.updates.stop_receiving()
        parts.node.projects.wake_readers()
        await hand_over(parts.node.connections, parts.shared.keepalive, parts.shared.now, DRAIN_S, self._random)
        await flush(parts.node, parts.forwarding, parts.updates, parts.recorder, parts.follower, FLUSH_S)
        self.world.gone(self)
