"""The composition root: builds every concrete part of a node from its settings. Plain calls, no container."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from random import Random, SystemRandom

import msgspec

from websocket_handler.access.access import Access, AccessOptions
from websocket_handler.access.admission import Admission, AdmissionOptions
from websocket_handler.access.open_access import OpenAccess
from websocket_handler.access.origins import Origins, origins_of
from websocket_handler.access.token_access import TokenAccess
from websocket_handler.adapters.aws.dynamodb_log import DynamoDbLogOptions, DynamoDbLogStore
from websocket_handler.adapters.aws.dynamodb_peers import DynamoDbPeers
from websocket_handler.adapters.aws.dynamodb_state import DynamoDbStateStore
from websocket_handler.adapters.aws.ecs_protection import EcsTaskProtection
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.sqs_forwarder import SqsForwarder
from websocket_handler.adapters.aws.sqs_updates import SqsUpdateSource
from websocket_handler.adapters.aws.table import Table
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.adapters.memory import MemoryLogStore, MemoryPeers
from websocket_handler.adapters.system.clock import SystemClock
from websocket_handler.adapters.system.ids import new_hex_id, numbered_ids
from websocket_handler.adapters.system.process_memory import memory_limit_bytes, resident_bytes
from websocket_handler.api.application import make_application
from websocket_handler.api.gateway import Gateway, Reason
from websocket_handler.api.http_server import HttpLimits, http_protocol_factory
from websocket_handler.api.metrics import make_registry
from websocket_handler.config import Settings
from websocket_handler.delivery.connection import Connection
from websocket_handler.delivery.follower import Follower
from websocket_handler.delivery.forwarding import Forwarding, ForwardLimits
from websocket_handler.delivery.node import Node
from websocket_handler.delivery.recorder import StateRecorder
from websocket_handler.delivery.scale_in import ScaleInProtection
from websocket_handler.delivery.updates import UpdateConsumer
from websocket_handler.hub.log import LogLimits
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.net.keepalive import Keepalive, KeepaliveOptions
from websocket_handler.net.listener import Listener, ListenerOptions
from websocket_handler.net.native_send import IS_BUILT, natively
from websocket_handler.net.shared import Shared
from websocket_handler.ports.clock import Clock, Scheduler
from websocket_handler.ports.log_store import LogStore
from websocket_handler.ports.peers import Peers
from websocket_handler.ports.transport import Group, one_by_one
from websocket_handler.protocol.codes import CloseCode
from websocket_handler.protocol.publication import finish
from websocket_handler.protocol.replies import Greeting
from websocket_handler.protocol.session import SessionLimits
from websocket_handler.server import ServerOptions, WebSocketServer
from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.emf import EmbeddedMetrics, Gauges
from websocket_handler.telemetry.log import EventLog

StartTask = Callable[[Coroutine[None, None, None]], None]


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
    keepalive: Keepalive
    listener: Listener
    metrics: EmbeddedMetrics
    scale_in: ScaleInProtection


def compose(
    settings: Settings,
    counters: Counters,
    node_id: str,
    start_task: StartTask,
    not_ready: Callable[[], list[Reason]],
) -> Parts:
    """Build a node. `start_task` runs a coroutine in the background, `not_ready` says why the node is not ready."""
    clock, log, random = SystemClock(), EventLog(), SystemRandom()
    aws = Aws(settings.aws_region, settings.aws_endpoint_url or None)
    limits = delivery_limits(settings)
    wire = AwsWire(aws)
    table = Table(settings.dynamodb_table_name, wire.call)
    store = _log_store(settings, clock, limits, table, start_task)
    loop = asyncio.get_running_loop()
    engine = Engine(store, clock, loop, limits, counters, numbered_ids(), finish, group=_group(settings))
    recorder = StateRecorder(DynamoDbStateStore(table, clock), node_id, clock, random, log.report)
    node = Node(engine, MemoryLogStore(clock, limits.log), recorder)
    forwarder = SqsForwarder(settings.queue_urls, settings.forward_body, wire.call)
    forward_limits = ForwardLimits(timeout_s=settings.forward_timeout_s)
    forwarding = Forwarding(forwarder, clock, forward_limits, counters, random)
    follower = Follower(_peers(store, table), node, node_id, clock)
    updates = None
    if settings.sqs_queue_url_updates:
        source = SqsUpdateSource(settings.sqs_queue_url_updates, aws.call)
        updates = UpdateConsumer(source, node, counters, random, log.report)
    access = _access(settings, clock, loop, start_task, node.projects.wake_readers)
    origins = origins_of(settings.allowed_origins, otherwise=access.unnamed_origins)
    server = WebSocketServer(node, forwarding, clock, _server_options(settings, node_id), new_hex_id, access)
    admission = Admission(_admission_options(settings, origins), clock.monotonic, access, resident_bytes)
    keepalive = Keepalive(_keepalive_options(settings), clock.monotonic, admission.is_memory_short)
    shared = Shared(server, admission, keepalive, counters, log, clock.monotonic, settings.max_message_bytes)
    listening = _listener_options(settings)
    http = _http(settings, listening, server, admission, log, forwarding, origins, not_ready)
    listener = Listener(listening, shared, http)
    metrics = EmbeddedMetrics(counters, partial(_gauges, server), clock.wall, settings.environment)
    parts = settings, clock, counters, log, random, aws, store, node, forwarding, recorder, follower, updates
    protection = ScaleInProtection(
        EcsTaskProtection(settings.ecs_agent_uri),
        settings.scale_in_protection_connections,
        lambda: len(node.connections),
        lambda: bool(follower.others),
        clock,
        counters,
        log.report,
    )
    return Parts(*parts, server, access, keepalive, listener, metrics, protection)


def _gauges(server: WebSocketServer) -> Gauges:
    connections = server.node.connections.values()
    waiting = sum(connection.transport.buffered_bytes() for connection in connections)
    return Gauges(len(connections), waiting, is_draining=server.is_draining)


def _access(
    settings: Settings, clock: Clock, scheduler: Scheduler, start_task: StartTask, revoked: Callable[[], None]
) -> Access:
    """The only place that asks for the mode of authentication."""
    if settings.auth_mode == "none":
        return OpenAccess(new_hex_id)
    from websocket_handler.adapters.jwt import setup  # noqa: PLC0415 - cryptography loads only where it is used

    authenticator = setup.started(msgspec.structs.asdict(settings), start_task, clock.monotonic)
    options = AccessOptions(
        authentication_timeout_s=settings.auth_timeout_s,
        connections_per_user=settings.connections_per_user,
        is_token_in_query_allowed=settings.allow_token_in_query == "on",  # noqa: S105
    )
    return TokenAccess(authenticator, clock, scheduler, options, new_hex_id, revoked)


def _log_store(
    settings: Settings, clock: Clock, limits: DeliveryLimits, table: Table, start_task: StartTask
) -> LogStore:
    if settings.log_store == "memory":
        return MemoryLogStore(clock, limits.log, settings.history_total_bytes)
    options = DynamoDbLogOptions(history=limits.log)
    return DynamoDbLogStore(table, start_task, clock, options)


def _peers(store: LogStore, table: Table) -> Peers:
    return DynamoDbPeers(table) if store.is_shared else MemoryPeers()


def _http(
    settings: Settings,
    listening: ListenerOptions,
    server: WebSocketServer,
    admission: Admission,
    log: EventLog,
    forwarding: Forwarding,
    origins: Origins,
    not_ready: Callable[[], list[Reason]],
) -> Callable[[], asyncio.Protocol]:
    node = server.node

    def disconnect(connection: Connection) -> None:
        connection.transport.close(CloseCode.DISCONNECTED, "disconnected by an operator")

    gateway = Gateway(
        node=node,
        clock=node.engine.clock,
        log=log,
        body_bytes_max=100 * settings.max_message_bytes,
        body_timeout_s=settings.handshake_timeout_s,
        is_draining=lambda: server.is_draining,
        not_ready=not_ready,
        presence=server.presence,
        disconnect=disconnect,
        access=server.access,
        admission=admission,
    )
    registry = make_registry(node, lambda: forwarding.waiting)
    application = make_application(
        gateway, registry, has_console=settings.console == "on", path=listening.path, origins=origins
    )
    limits = HttpLimits(
        listening.head_bytes,
        settings.handshake_timeout_s,
        settings.slow_client_timeout_s,
        settings.max_connections,
    )
    factory, _state = http_protocol_factory(application, limits, node.engine.counters)
    return factory


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


def _group(settings: Settings) -> Group:
    return natively if is_native(settings) else one_by_one


def is_native(settings: Settings) -> bool:
    """Whether fan-out uses the compiled loop."""
    return IS_BUILT and settings.native_send == "on"


def _keepalive_options(settings: Settings) -> KeepaliveOptions:
    return KeepaliveOptions(settings.ping_interval_s, settings.slow_client_timeout_s)


def _listener_options(settings: Settings) -> ListenerOptions:
    return ListenerOptions(
        handshake_timeout_s=settings.handshake_timeout_s,
        has_echo=settings.diag_echo == "1",
        has_compression=settings.compression == "on",
    )


def _admission_options(settings: Settings, origins: Origins) -> AdmissionOptions:
    return AdmissionOptions(
        handshakes_per_second=settings.handshakes_per_second,
        connections_per_address=settings.connections_per_address,
        trusted_proxy_hops=settings.trusted_proxy_hops,
        memory_limit_bytes=memory_limit_bytes(settings.memory_limit_bytes),
        origins=origins,
    )
