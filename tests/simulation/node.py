"""One gateway process in the simulation: the product's assembly and its life, over fakes as ports."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation.loop import Owner
from tests.simulation.network import Descriptors, Link, as_transport
from tests.simulation.receive_watch import WatchedReceives
from tests.simulation.store_watch import WatchedStore
from tests.support.memory_ports import MemoryTaskProtection
from websocket_handler.adapters.aws.dynamodb_log import DynamoDbLogOptions, DynamoDbLogStore
from websocket_handler.adapters.aws.dynamodb_peers import DynamoDbPeers
from websocket_handler.adapters.aws.dynamodb_state import DynamoDbStateStore
from websocket_handler.adapters.aws.sqs_forwarder import SqsForwarder
from websocket_handler.adapters.aws.sqs_updates import SqsUpdateSource
from websocket_handler.adapters.aws.table import Table
from websocket_handler.adapters.memory import MemoryLogStore, MemoryPeers
from websocket_handler.assembly import Core, CoreOptions, Ports, assemble
from websocket_handler.background import Background
from websocket_handler.hub.log import LogLimits
from websocket_handler.life import Edges, Life
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.queue import Published
from websocket_handler.net.keepalive import KeepaliveOptions
from websocket_handler.net.websocket import WebSocket
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.log_store import LogStore, Segment
from websocket_handler.ports.transport import one_by_one
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.deflate import DeflateFraming
from websocket_handler.protocol.frames import PLAIN, Framing
from websocket_handler.protocol.identity import ANYONE
from websocket_handler.protocol.messages import Position, Subscribe
from websocket_handler.protocol.names import Agent
from websocket_handler.protocol.publication import read_object
from websocket_handler.protocol.replies import Greeting
from websocket_handler.protocol.session import SessionLimits
from websocket_handler.server import ServerOptions
from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.log import EventLog

if TYPE_CHECKING:
    from tests.simulation.world import World

TABLE = "table"
UPDATES_QUEUE = "updates"
DRAIN_S = 2.0
PENDING_BYTES = 200_000


class _Log(EventLog):
    """Where the node's events go. An exception that no rule foresaw is a violation."""

    def __init__(self, process: "Process") -> None:
        super().__init__()
        self._process = process

    def emit(self, event: str, **fields: object) -> None:
        self._process.world.trace(f"{self._process.name} {event} {fields}")

    def exception(self, event: str, fault: BaseException, **fields: object) -> None:
        if not self._process.is_frozen:
            self._process.world.bug(event, fault)


class _Listening:
    """The edge that lets clients in: the load balancer finds the node."""

    def __init__(self, process: "Process") -> None:
        self._process = process

    async def start(self) -> None:
        self._process.is_listening = True

    async def stop(self) -> None:
        self._process.is_listening = False


class Process(Owner):
    """A node that can crash at any effect, or drain and go."""

    def __init__(self, world: "World", name: str) -> None:
        super().__init__(name)
        self.world = world
        self.fuse: int | None = None
        self.links: list[Link] = []
        self.descriptors = Descriptors()
        self.is_listening = False
        self.is_leaving = False
        self.is_gone = False
        self._ids = 0
        self._accepted = 0
        self._deflate: Framing = DeflateFraming() if world.scenario.has_compression else PLAIN
        self._random = Random(f"{world.scenario.seed} {name}")
        log = _Log(self)
        background = Background(log)
        self.core: Core = self.context.run(self._assemble, log, background)
        self.life = self.context.run(Life, self.core, background, Edges(above=[_Listening(self)]), DRAIN_S)

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

    def _assemble(self, log: EventLog, background: Background) -> Core:
        world, plan = self.world, self.world.scenario
        call = world.aws.of(self.may_act)
        table = Table(TABLE, call, backoff=Backoff(self._random.random))
        store: LogStore
        if plan.store == "memory":
            store = WatchedStore(MemoryLogStore(world.clock, self._log_limits()), self._memory_committed)
        else:
            options = DynamoDbLogOptions(history=self._log_limits())
            store = DynamoDbLogStore(table, background.start, world.clock, options)
        suffix = ".fifo" if plan.has_fifo else ""
        urls = {agent: f"{agent.value}{suffix}" for agent in Agent}
        ports = Ports(
            clock=world.clock,
            scheduler=world.loop,
            random=self._random,
            log_store=store,
            broadcast_store=MemoryLogStore(world.clock, self._log_limits()),
            state_store=DynamoDbStateStore(table, world.clock),
            peers=DynamoDbPeers(table) if store.is_shared else MemoryPeers(),
            forwarder=SqsForwarder(urls, "envelope", call),
            update_source=SqsUpdateSource(UPDATES_QUEUE, WatchedReceives(self), long_poll_s=5)
            if plan.has_updates
            else None,
            task_protection=MemoryTaskProtection(world.clock),
            authenticator=None,
            new_id=self.new_id,
            new_log_id=self.new_id,
            memory_bytes=lambda: 0,
            log=log,
            counters=Counters(),
            group=self.descriptors.group if plan.is_native else one_by_one,
        )
        return assemble(ports, self._options())

    def _options(self) -> CoreOptions:
        plan = self.world.scenario
        greeting = Greeting(self.name, 25, 65536, 256, 1000, plan.ring_messages)
        delivery = DeliveryLimits(
            log=self._log_limits(),
            history_page_bytes=plan.outbox_bytes,
            write_bytes=plan.outbox_bytes // 2,
            pending_bytes=PENDING_BYTES,
            project_idle_s=3.0,
        )
        return CoreOptions(
            server=ServerOptions(greeting, SessionLimits(65536, 1000, 0)),
            delivery=delivery,
            keepalive=KeepaliveOptions(slow_client_timeout_s=10),
        )

    def _log_limits(self) -> LogLimits:
        plan = self.world.scenario
        return LogLimits(plan.ring_messages, plan.ring_bytes, 3600.0)

    def _memory_committed(self, project: str, segment: Segment) -> None:
        if not self.is_frozen:
            self.world.memory_committed(project, segment)

    # Life

    def start(self) -> None:
        """Begin to work."""
        self._run(self.life.start)

    def drain(self) -> None:
        """SIGTERM: hand over, flush, and go."""
        self.is_leaving = True
        self._run(self._stop)

    async def _stop(self) -> None:
        await self.life.stop()
        self.world.gone(self)

    def _run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run it in the process; its failure is a violation."""
        self.context.run(self._begin, work)

    def _begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.world.loop.create_task(work()).add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (fault := task.exception()) is not None and not self.is_frozen:
            self.world.bug("life", fault)

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
        link.websocket = WebSocket(self.core.sockets, as_transport(link.socket), subscriptions, ANYONE, "", framing)
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
        node = self.core.node
        node.publish(node.prepare(read_object(body), project_id, key), done)
