"""The composition root: builds every concrete part of a node, starts it, and takes it down in order."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from random import Random, SystemRandom
from typing import Final

import msgspec

from websocket_handler.adapters.alb_target import AlbTarget
from websocket_handler.adapters.anyone import Anyone
from websocket_handler.adapters.aws import Aws, AwsError, Table
from websocket_handler.adapters.clock import SystemClock
from websocket_handler.adapters.dynamodb_log import DynamoDbLogOptions, DynamoDbLogStore
from websocket_handler.adapters.dynamodb_peers import DynamoDbPeers
from websocket_handler.adapters.dynamodb_state import DynamoDbStateStore
from websocket_handler.adapters.ecs_metadata import own_address
from websocket_handler.adapters.ids import new_hex_id, new_id
from websocket_handler.adapters.memory import MemoryLogStore, MemoryPeers
from websocket_handler.adapters.process_memory import memory_limit_bytes, resident_bytes
from websocket_handler.adapters.sqs_forwarder import SqsForwarder
from websocket_handler.adapters.sqs_updates import SqsUpdateSource
from websocket_handler.api.application import make_application
from websocket_handler.api.gateway import Gateway, Reason
from websocket_handler.api.http_server import HttpLimits, http_protocol_factory
from websocket_handler.api.metrics import make_registry
from websocket_handler.config import Settings
from websocket_handler.delivery.access import Access, AccessOptions
from websocket_handler.delivery.connection import Connection
from websocket_handler.delivery.engine import Engine
from websocket_handler.delivery.follower import Follower
from websocket_handler.delivery.forwarding import Forwarding, ForwardLimits
from websocket_handler.delivery.limits import DeliveryLimits
from websocket_handler.delivery.node import Node
from websocket_handler.delivery.recorder import StateRecorder
from websocket_handler.delivery.updates import UpdateConsumer
from websocket_handler.hub.log import LogLimits
from websocket_handler.net.admission import Admission, AdmissionOptions
from websocket_handler.net.drain import DrainResult, hand_over
from websocket_handler.net.gate import Gate, NetOptions
from websocket_handler.net.keepalive import Keepalive
from websocket_handler.net.listener import Listener
from websocket_handler.ports.authenticator import Authenticator
from websocket_handler.ports.clock import Clock
from websocket_handler.ports.log_store import LogStore
from websocket_handler.ports.peers import Peers
from websocket_handler.ports.target import TargetUnknown
from websocket_handler.protocol.codes import CloseCode
from websocket_handler.protocol.origins import Origins, origins_of
from websocket_handler.protocol.publication import finish
from websocket_handler.protocol.replies import Greeting
from websocket_handler.protocol.session import SessionLimits
from websocket_handler.server import ServerOptions, WebSocketServer
from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.log import EventLog

SWEEP_INTERVAL_S: Final = 5.0
PROBE_INTERVAL_S: Final = 3.0
FLUSH_MARGIN_S: Final = 5.0
"""After the hand-over, what was accepted has this long to reach its queue or its log."""
TARGET_INTERVAL_S: Final = 5.0
RESTART_DELAY_S: Final = 1.0
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


def delivery_limits(settings: Settings) -> DeliveryLimits:
    """The engine's maxima from the settings."""
    return DeliveryLimits(
        log=LogLimits(settings.history_messages, settings.history_bytes, settings.history_seconds),
        message_bytes=settings.max_message_bytes,
        log_bytes_total=settings.history_total_bytes,
        projects=settings.max_projects,
        write_bytes=settings.outbox_bytes // 2,
        connections=settings.max_connections,
        subscriptions=settings.max_subscriptions,
        history_page_messages=settings.history_messages,
        history_page_bytes=settings.outbox_bytes,
    )


@dataclass(slots=True)
class Parts:
    """What a running node consists of."""

    settings: Settings
    clock: Clock
    counters: Counters
    log: EventLog
    random: Random
    aws: Aws
    store: LogStore
    node: Node
    forwarding: Forwarding
    recorder: StateRecorder
    follower: Follower
    updates: UpdateConsumer | None
    server: WebSocketServer
    access: Access
    gate: Gate
    listener: Listener


class App:
    """One node. `start` returns when it accepts connections, `stop` when everything accepted is safe."""

    def __init__(self, settings: Settings, counters: Counters, node_id: str) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.parts = self._build(settings, counters, node_id)
        self.port = 0
        self._is_stopping_now = asyncio.Event()
        self._drain: asyncio.Task[DrainResult] | None = None

    def _build(self, settings: Settings, counters: Counters, node_id: str) -> Parts:
        clock, log, random = SystemClock(), EventLog(), SystemRandom()
        aws = Aws(settings.aws_region, settings.aws_endpoint_url or None)
        limits = delivery_limits(settings)
        table = Table(settings.dynamodb_table_name, aws.call)
        store = self._log_store(settings, clock, limits, table)
        loop = asyncio.get_running_loop()
        engine = Engine(store, clock, loop, limits, counters, new_id, finish)
        node = Node(engine, MemoryLogStore(clock, limits.log))
        forwarder = SqsForwarder(settings.queue_urls, settings.forward_body, aws.call)
        forward_limits = ForwardLimits(timeout_s=settings.forward_timeout_s)
        forwarding = Forwarding(forwarder, clock, forward_limits, counters, random)
        recorder = StateRecorder(DynamoDbStateStore(table, clock), node, node_id, clock, log.report)
        follower = Follower(self._peers(store, table), node, node_id, clock)
        updates = None
        if settings.sqs_queue_url_updates:
            source = SqsUpdateSource(settings.sqs_queue_url_updates, aws.call)
            updates = UpdateConsumer(source, node, counters, random, log.report)
        access_options = AccessOptions(settings.auth_timeout_s, settings.connections_per_user)
        access = Access(self._authenticator(settings, clock), clock, loop, access_options, new_hex_id)
        access.revoked = node.wake_readers
        server = WebSocketServer(node, forwarding, clock, _server_options(settings, node_id), new_hex_id, access)
        server.connection_changed = recorder.changed
        server.connection_ended = recorder.gone
        admission = Admission(_admission_options(settings), clock.monotonic, access, resident_bytes)
        gate = Gate(server, _net_options(settings), clock, log, admission)
        gate.keepalive = Keepalive(gate)
        listener = Listener(gate, self._http(settings, gate, forwarding, access))
        parts = settings, clock, counters, log, random, aws, store, node, forwarding, recorder, follower, updates
        return Parts(*parts, server, access, gate, listener)

    def _authenticator(self, settings: Settings, clock: Clock) -> Authenticator:
        if settings.auth_mode == "none":
            return Anyone()
        from websocket_handler.adapters import jwt_setup  # noqa: PLC0415 - cryptography loads only where it is used

        return jwt_setup.started(msgspec.structs.asdict(settings), self.start_task, clock.monotonic)

    def _log_store(self, settings: Settings, clock: Clock, limits: DeliveryLimits, table: Table) -> LogStore:
        if settings.log_store == "memory":
            return MemoryLogStore(clock, limits.log, settings.history_total_bytes)
        options = DynamoDbLogOptions(history=limits.log)
        return DynamoDbLogStore(table, self.start_task, clock, options)

    def _peers(self, store: LogStore, table: Table) -> Peers:
        return DynamoDbPeers(table) if store.is_shared else MemoryPeers()

    def _http(
        self, settings: Settings, gate: Gate, forwarding: Forwarding, access: Access
    ) -> Callable[[], asyncio.Protocol]:
        node = gate.server.node

        def disconnect(connection: Connection) -> None:
            connection.transport.close(CloseCode.DISCONNECTED, "disconnected by an operator")

        gateway = Gateway(
            node=node,
            clock=node.engine.clock,
            log=gate.log,
            body_bytes_max=100 * settings.max_message_bytes,
            body_timeout_s=settings.handshake_timeout_s,
            is_draining=lambda: gate.server.is_draining,
            not_ready=self.not_ready,
            presence=lambda project_id: self.parts.server.presence(project_id),
            disconnect=disconnect,
            access=access,
        )
        registry = make_registry(node, lambda: forwarding.waiting)
        application = make_application(
            gateway, registry, has_console=settings.console == "on", path=gate.options.path, origins=_origins(settings)
        )
        limits = HttpLimits(
            gate.options.head_bytes,
            settings.handshake_timeout_s,
            settings.slow_client_timeout_s,
            settings.max_connections,
        )
        factory, _state = http_protocol_factory(application, limits, partial(_count, self_counters))
        return factory

    # Readiness

    def not_ready(self) -> list[Reason]:
        """Why new clients should be sent elsewhere; empty when they are welcome."""
        parts = self.parts
        reasons = [Reason("node", "draining")] if parts.server.is_draining else []
        faults = {
            parts.store.name: parts.store.failure(),
            "sqs": parts.forwarding.failure(),
            "sqs updates": parts.updates.fault if parts.updates else None,
            "dynamodb state": parts.recorder.fault,
            "authentication": parts.access.failure(),
        }
        reasons += [Reason(name, fault) for name, fault in faults.items() if fault]
        return reasons

    # Life

    def start_task(self, work: Coroutine[None, None, None]) -> None:
        """Run a coroutine in the background; its failure is logged, and it is ended at stop."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self.parts.log.exception("task.failed", fault)

    async def start(self) -> None:
        """Open what the node needs and accept connections. Raises OSError when the port is taken."""
        parts = self.parts
        settings = parts.settings
        await self._open_aws()
        parts.gate.keepalive.start()
        self.start_task(self._supervise("sweep", self._sweep))
        self.start_task(self._supervise("recorder", parts.recorder.run))
        self.start_task(self._supervise("probe", self._probe))
        if parts.store.is_shared:
            self.start_task(self._supervise("follower", parts.follower.run))
        if settings.target_group_arn:
            self.start_task(self._supervise("target", self._watch_target))
        if parts.updates is not None:
            self.start_task(self._supervise("updates", parts.updates.run))
        self.port = await parts.listener.listen(settings.websocket_host, settings.websocket_port)
        if settings.auth_mode == "none" and settings.websocket_host not in LOOPBACK:
            parts.log.emit("node.insecure", reason="AUTH_MODE=none and not bound to loopback: everyone may connect")
        parts.log.emit("node.listening", host=settings.websocket_host, port=self.port, log_store=parts.store.name)
        gc.collect()
        gc.freeze()  # what exists now lives as long as the process: never look at it again

    async def _open_aws(self) -> None:
        """Load the SDK now, not under the first client. What fails here fails again, and is told, where it is used."""
        for service in ("sqs", "dynamodb"):
            try:
                await self.parts.aws.open(service)
            except AwsError as fault:
                self.parts.log.emit("dependency.down", dependency=service, reason=str(fault))

    async def _supervise(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Keep a background job alive: whatever ends it is logged, and it starts again."""
        while True:
            try:
                await work()
            except Exception as fault:
                self.parts.log.exception("task.failed", fault, task=name)
            await asyncio.sleep(RESTART_DELAY_S)

    async def _sweep(self) -> None:
        dropped = 0
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_S)
            self.parts.node.sweep()
            if self.parts.counters.log_records_dropped > dropped:
                dropped = self.parts.counters.log_records_dropped
                self.parts.log.emit("node.log_records_dropped", total=dropped)

    async def _probe(self) -> None:
        """Ask the log store whether it is there, so that `/ready` is right without traffic."""
        was_down = False
        while True:
            await self.parts.store.check()
            fault = self.parts.store.failure()
            if bool(fault) != was_down:
                was_down = bool(fault)
                event = "dependency.down" if was_down else "dependency.up"
                self.parts.log.emit(event, dependency=self.parts.store.name, reason=fault or "")
            await asyncio.sleep(PROBE_INTERVAL_S)

    async def _watch_target(self) -> None:
        """ECS deregisters a task from the load balancer before it sends SIGTERM: use that time to hand clients over."""
        settings = self.parts.settings
        address = settings.target_address or await own_address(settings.ecs_container_metadata_uri_v4)
        target = AlbTarget(self.parts.aws.call, settings.target_group_arn, address, settings.websocket_port)
        while not self.parts.server.is_draining:
            await asyncio.sleep(TARGET_INTERVAL_S)
            try:
                if await target.is_draining():
                    await self.drain("target")
            except TargetUnknown as fault:
                self.parts.log.emit("target.unknown", reason=str(fault))

    async def drain(self, cause: str) -> None:
        """Refuse new clients, take no further updates, and hand over those who are here. Once; a second caller
        waits for the first."""
        if self._drain is None:
            parts = self.parts
            seconds = parts.settings.drain_seconds
            parts.log.emit("node.draining", cause=cause, connections=len(parts.node.connections), seconds=seconds)
            parts.server.is_draining = True
            if parts.updates is not None:
                parts.updates.stop_receiving()
            parts.node.wake_readers()
            self._drain = asyncio.create_task(hand_over(parts.gate, seconds, parts.random))
        result = await asyncio.shield(self._drain)
        self.parts.log.emit("node.drained", told=result.told, left=result.left)

    async def stop(self) -> None:
        """Hand clients over, flush what was accepted, and close. `stop_now` cuts it short."""
        await self._until(asyncio.create_task(self.drain("signal")))
        await self._until(asyncio.create_task(self._flush()))
        await self._close()

    async def _until(self, task: "asyncio.Task[object] | asyncio.Task[None]") -> None:
        """Wait for a task, or until there is no more time for it."""
        now = asyncio.create_task(self._is_stopping_now.wait())
        await asyncio.wait({task, now}, return_when=asyncio.FIRST_COMPLETED)
        now.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def stop_now(self) -> None:
        """Wait for nothing any more."""
        self.parts.log.emit("node.stopping_now")
        self._is_stopping_now.set()

    async def _flush(self) -> None:
        """Until every accepted publication and forward is answered, within its margin."""
        parts = self.parts
        try:
            async with asyncio.timeout(FLUSH_MARGIN_S):
                while not (  # noqa: ASYNC110 - three parts settle on their own; looking is simpler than three events
                    parts.node.is_settled
                    and parts.forwarding.is_settled
                    and (parts.updates is None or parts.updates.is_settled)
                ):
                    await asyncio.sleep(0.01)
                await parts.recorder.write()
                if parts.store.is_shared:
                    await parts.follower.leave()
        except TimeoutError:
            return

    async def _close(self) -> None:
        parts = self.parts
        parts.gate.keepalive.abort_all()
        parts.gate.keepalive.stop()
        await parts.listener.close()
        await parts.forwarding.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await parts.aws.close()
        parts.log.emit("node.stopped")


def _server_options(settings: Settings, node_id: str) -> ServerOptions:
    greeting = Greeting(
        node_id=node_id,
        ping_interval_s=settings.ping_interval_s,
        message_bytes=settings.max_message_bytes,
        subscriptions=settings.max_subscriptions,
        commands_per_second=int(settings.commands_per_second),
        history_messages=settings.history_messages,
    )
    session = SessionLimits(settings.max_message_bytes, settings.commands_per_second, settings.bytes_per_second)
    return ServerOptions(greeting, session)


def _net_options(settings: Settings) -> NetOptions:
    return NetOptions(
        message_bytes=settings.max_message_bytes,
        handshake_timeout_s=settings.handshake_timeout_s,
        outbox_bytes=settings.outbox_bytes,
        ping_interval_s=settings.ping_interval_s,
        slow_client_timeout_s=settings.slow_client_timeout_s,
        has_echo=settings.diag_echo == "1",
    )


def _origins(settings: Settings) -> Origins:
    return origins_of(settings.allowed_origins, is_open=settings.auth_mode == "none")


def _admission_options(settings: Settings) -> AdmissionOptions:
    return AdmissionOptions(
        handshakes_per_second=settings.handshakes_per_second,
        connections_per_address=settings.connections_per_address,
        trusted_proxy_hops=settings.trusted_proxy_hops,
        memory_limit_bytes=memory_limit_bytes(settings.memory_limit_bytes),
        is_token_in_query_allowed=settings.allow_token_in_query == "on",  # noqa: S105
        origins=_origins(settings),
    )
