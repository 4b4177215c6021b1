"""One gateway process in the simulation: the product's assembly, entrance, HTTP API and life, over fakes as ports."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation.door_plan import MEMORY_LIMIT_BYTES
from tests.simulation.door_rules import LATE_S
from tests.simulation.http import Exchange, Question, application_over
from tests.simulation.identities import FetchedKeys, Token
from tests.simulation.loop import Owner
from tests.simulation.network import Descriptors, Link, as_transport, end_of
from tests.simulation.receive_watch import WatchedReceives
from tests.simulation.store_watch import WatchedStore
from tests.support.memory_ports import MemoryTaskProtection
from websocket_handler.access.access import AccessOptions
from websocket_handler.access.admission import AdmissionOptions
from websocket_handler.access.token_access import TokenAccess
from websocket_handler.adapters.aws.dynamodb_log import DynamoDbLogOptions, DynamoDbLogStore
from websocket_handler.adapters.aws.dynamodb_peers import DynamoDbPeers
from websocket_handler.adapters.aws.dynamodb_state import DynamoDbStateStore
from websocket_handler.adapters.aws.sqs_forwarder import SqsForwarder
from websocket_handler.adapters.aws.sqs_updates import SqsUpdateSource
from websocket_handler.adapters.aws.table import Table
from websocket_handler.adapters.memory import MemoryLogStore, MemoryPeers
from websocket_handler.assembly import Core, CoreOptions, Ports, assemble
from websocket_handler.background import Background
from websocket_handler.delivery.forwarding import ForwardLimits
from websocket_handler.hub.log import LogLimits
from websocket_handler.life import FLUSH_MARGIN_S, Edges, Life
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.net.entrance import Entrance, EntranceOptions
from websocket_handler.net.keepalive import KeepaliveOptions
from websocket_handler.net.lingering import Lingering
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.log_store import LogStore, Segment
from websocket_handler.ports.transport import one_by_one
from websocket_handler.protocol.names import Agent
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
PROGRAM_ADDRESS = "10.8.8.8"
"""The address of the programs that publish and operate."""


class _Log(EventLog):
    """Receives the node's events. An exception that nobody expected is a violation."""

    def __init__(self, process: "Process") -> None:
        super().__init__()
        self._process = process

    def emit(self, event: str, **fields: object) -> None:
        if not self._process.is_frozen:
            self._process.happened(event, fields)
        self._process.world.trace(f"{self._process.name} {event} {fields}")

    def exception(self, event: str, fault: BaseException, **fields: object) -> None:
        if not self._process.is_frozen:
            self._process.world.bug(event, fault)


class _Listening:
    """The edge that lets clients in: after it has started, the load balancer finds the node."""

    def __init__(self, process: "Process") -> None:
        self._process = process

    async def start(self) -> None:
        self._process.is_listening = True

    async def stop(self) -> None:
        self._process.is_listening = False
        if not self._process.is_frozen and (owed := self._process.unanswered()) is not None:
            self._process.world.checker.violation(f"{self._process.name} ends in order, but still owes {owed}")


class _NoHttp(asyncio.Protocol):
    """The HTTP server is not simulated, only its application, so no request comes in over a socket."""

    def __init__(self, _give_back: object) -> None:
        """It never gives a socket back."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        raise AssertionError("only handshakes come over sockets")


class Process(Owner):
    """A node that can crash at any effect, or drain and exit."""

    def __init__(self, world: "World", name: str) -> None:
        super().__init__(name)
        self.world = world
        self.fuse: int | None = None
        self.links: list[Link] = []
        self.exchanges: dict[Exchange, None] = {}
        self.owed: dict[str, float] = {}
        """The publications of its surrounding program that wait for their answers, and since when."""
        self.descriptors = Descriptors()
        self.is_listening = False
        self.left_at: float | None = None
        """Since when it goes away."""
        self.is_gone = False
        self.is_short = False
        """True while it has no memory for new clients."""
        self.drained_at: float | None = None
        self.is_cut_short = False
        self._ids = 0
        self.random = Random(f"{world.scenario.seed} {name}")
        self._keys = FetchedKeys(world.identities, world.loop)
        log = _Log(self)
        background = Background(log)
        self.core: Core = self.context.run(self._assemble, log, background)
        options = EntranceOptions(
            handshake_timeout_s=world.scenario.door.handshake_timeout_s,
            entries=world.scenario.door.entries,
            has_compression=world.scenario.has_compression,
        )
        self._entrance = Entrance(options, self.core.sockets, _NoHttp, Lingering().end, end_of)
        self._application = application_over(self.core)
        self.life = self.context.run(Life, self.core, background, Edges(above=[_Listening(self)]), DRAIN_S)

    def new_id(self) -> str:
        """A unique id, which is the same in every run of the seed."""
        self._ids += 1
        return f"{self.name}-{self._ids}"

    def may_act(self) -> bool:
        """True if an effect still leaves the process. Each call counts towards a planned crash."""
        if self.fuse is not None and not self.is_frozen:
            self.fuse -= 1
            if self.fuse <= 0:
                self.world.crash(self, "at an effect")
        return not self.is_frozen

    # Building

    def _assemble(self, log: EventLog, background: Background) -> Core:
        return assemble(self._ports(log, background), self._options())

    def _ports(self, log: EventLog, background: Background) -> Ports:
        world, plan = self.world, self.world.scenario
        call, table = world.aws.of(self.may_act), self._table()
        store: LogStore
        if plan.store == "memory":
            store = WatchedStore(MemoryLogStore(world.clock, self._log_limits()), self._memory_committed)
        else:
            options = DynamoDbLogOptions(history=self._log_limits())
            store = DynamoDbLogStore(table, background.start, world.clock, options)
        suffix = ".fifo" if plan.has_fifo else ""
        urls = {agent: f"{agent.value}{suffix}" for agent in Agent}
        return Ports(
            clock=world.clock,
            scheduler=world.loop,
            random=self.random,
            log_store=store,
            broadcast_store=MemoryLogStore(world.clock, self._log_limits()),
            own_store=MemoryLogStore(world.clock, self._log_limits()),
            state_store=DynamoDbStateStore(table, world.clock),
            peers=DynamoDbPeers(table) if store.is_shared else MemoryPeers(),
            forwarder=SqsForwarder(urls, "envelope", call),
            update_source=SqsUpdateSource(UPDATES_QUEUE, WatchedReceives(self), long_poll_s=5)
            if plan.has_updates
            else None,
            task_protection=MemoryTaskProtection(world.clock),
            authenticator=self._keys if plan.door.has_tokens else None,
            new_id=self.new_id,
            new_log_id=self.new_id,
            memory_bytes=lambda: 2 * MEMORY_LIMIT_BYTES if self.is_short else 0,
            log=log,
            counters=Counters(),
            group=self.descriptors.group if plan.is_native else one_by_one,
        )

    def _table(self) -> Table:
        aws = self.world.aws
        calls = aws.of(self.may_act), aws.short_way_of(self.may_act)
        return Table(TABLE, *calls, backoff=Backoff(self.random.random))

    def _options(self) -> CoreOptions:
        plan = self.world.scenario
        greeting = Greeting(self.name, 25, 65536, 256, 1000, plan.ring_messages)
        delivery = DeliveryLimits(
            log=self._log_limits(),
            history_page_bytes=plan.outbox_bytes,
            write_bytes=plan.outbox_bytes // 2,
            pending_bytes=PENDING_BYTES,
            project_idle_s=3.0,
            commit_linger_s=plan.commit_linger_s,
        )
        door = plan.door
        return CoreOptions(
            server=ServerOptions(greeting, SessionLimits(65536, 1000, 0)),
            delivery=delivery,
            forward=ForwardLimits(linger_s=plan.forward_linger_s),
            access=AccessOptions(door.authentication_timeout_s, door.per_user),
            admission=AdmissionOptions(
                handshakes_per_second=door.handshakes_per_second,
                connections_per_address=door.per_address,
                trusted_proxy_hops=door.proxy_hops,
                memory_limit_bytes=MEMORY_LIMIT_BYTES,
            ),
            allowed_origins=door.allowed_origins,
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

    def drain(self, manner: str) -> None:
        """Tell the node to go. `sigterm`: hand over, flush, and exit. `target`: the load balancer says so first.
        `twice`: both at once. `impatient`: the operator does not wait for the end."""
        self.left_at = self.world.loop.time()
        if manner in ("target", "twice"):
            self._run(lambda: self.life.drain("target"))
        if manner == "target":
            self.world.loop.later(self.random.uniform(0.1, 2 * DRAIN_S), self._run, self._stop)
        else:
            self._run(self._stop)
        if manner == "impatient":
            self.world.loop.later(self.random.uniform(0.0, DRAIN_S + 1), self._cut_short)

    async def _stop(self) -> None:
        await self.life.stop()
        self.world.gone(self)

    def _cut_short(self) -> None:
        if not self.is_frozen:
            self.is_cut_short = True
            self.in_process(self.life.stop_now)

    def happened(self, event: str, fields: Mapping[str, Any]) -> None:
        """The node logged an event."""
        if event == "update.gap":
            self.world.checker.order.gap(fields, self.world.scenario.visibility_s)
        if event == "node.draining":
            self.world.door_rules.door(self.name).draining_since = self.world.loop.time()
        elif event == "node.drained":
            self.drained_at = self.world.loop.time()

    def unanswered(self) -> str | None:
        """What a node that exits in order still has to answer, unless its time ran out; None if it has answered
        everything."""
        if self.is_cut_short or self.drained_at is None:
            return None
        if self.world.loop.time() - self.drained_at > FLUSH_MARGIN_S - LATE_S:
            return None
        since = {
            exchange.target: exchange.begun_at
            for exchange in self.exchanges
            if exchange.is_publishing and not self._keys.is_asked_about(exchange.token)  # then nothing was accepted yet
        }
        owed = [name for name, begun_at in {**self.owed, **since}.items() if begun_at <= self.drained_at]
        waiting = sum(self.core.forwarding.waiting.values())
        return f"{owed} and {waiting} forwards" if owed or waiting else None

    def head_of(self, project: str) -> int | None:
        """The newest offset that the node has of a project that somebody follows here; None if nobody does."""
        opened = self.core.node.projects.find(project)
        is_followed = opened is not None and (not opened.fan_out.is_empty or bool(opened.feeds))
        return opened.journal.log.head if opened is not None and is_followed else None

    def taken(self) -> str | None:
        """What is still taken after everybody has left; None if nothing is."""
        core, access = self.core, self.core.access
        users = access._users if isinstance(access, TokenAccess) else None
        left = {
            "connections": core.node.connections,
            "sockets": core.keepalive.count,
            "streams": core.ports.counters.streams,
            "addresses": core.admission._addresses._counts,
            "users": users and (users._connections or users._places),
            "entries": self._entrance._entries,
            "requests": self.exchanges,
        }
        taken = {name: what for name, what in left.items() if what}
        return f"places that nobody gave back: {taken}" if taken else None

    def in_process(self, callback: Callable[[], object]) -> None:
        """Call `callback` in the node, in its own turn of the loop."""
        self.world.loop.call_soon(callback, context=self.context)

    def _run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a coroutine in the process. If it fails, that is a violation."""
        self.context.run(self._begin, work)

    def _begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.world.loop.create_task(work()).add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (fault := task.exception()) is not None and not self.is_frozen:
            self.world.bug("life", fault)

    # Whoever comes

    def accept(self, link: Link) -> None:
        """A socket is open."""
        self.links = [known for known in self.links if not known.is_closed]
        self.links.append(link)
        link.protocol = self._entrance.protocol()
        self.context.run(link.protocol.connection_made, as_transport(link.socket))

    def begin(self, exchange: Exchange) -> None:
        """A request comes in."""
        self.exchanges[exchange] = None
        self._run(lambda: exchange.run(self._application))

    def ask(
        self,
        method: str,
        target: str,
        answered: Callable[[int, dict[str, Any]], None],
        lost: Callable[[], None],
        *,
        body: bytes = b"",
        token: Token | None = None,
        address: str = PROGRAM_ADDRESS,
        key: str = "",
    ) -> Exchange | None:
        """Send a request. Without a token it comes from a program that may do everything. `answered` is called with
        status and body; `lost` is called if no answer will come."""
        if not self.is_listening:
            self.world.loop.later(0.01, lost)
            return None
        holder = token or self.world.identities.service()
        exchange = Exchange(self, Question(answered, lost), method, target, body, holder, address)
        if key:
            exchange.with_header("idempotency-key", key)
        self.begin(exchange)
        return exchange
