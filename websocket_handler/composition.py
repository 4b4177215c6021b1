"""Chooses the concrete classes: makes ports, options and edges from a node's settings. Plain calls, no container."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from random import SystemRandom
from time import process_time
from typing import TYPE_CHECKING, Final

import msgspec

from websocket_handler.access.access import AccessOptions
from websocket_handler.access.admission import AdmissionOptions
from websocket_handler.adapters.announced import AnnouncedLogStore
from websocket_handler.adapters.aws.dynamodb_log import DynamoDbLogOptions, DynamoDbLogStore
from websocket_handler.adapters.aws.dynamodb_peers import DynamoDbPeers
from websocket_handler.adapters.aws.dynamodb_state import DynamoDbStateStore
from websocket_handler.adapters.aws.ecs_metadata import own_address
from websocket_handler.adapters.aws.ecs_protection import EcsTaskProtection
from websocket_handler.adapters.aws.emf import EmbeddedMetrics
from websocket_handler.adapters.aws.sqs_forwarder import SqsForwarder
from websocket_handler.adapters.aws.sqs_queues import SqsQueues
from websocket_handler.adapters.aws.sqs_updates import SqsUpdateSource
from websocket_handler.adapters.aws.table import Table
from websocket_handler.adapters.aws.watched import WatchedCalls
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.adapters.memory import MemoryLogStore, MemoryPeers, NoRecords
from websocket_handler.adapters.system.clock import SystemClock
from websocket_handler.adapters.system.ids import new_hex_id, new_id, numbered_ids
from websocket_handler.adapters.system.process_memory import memory_limit_bytes, resident_bytes
from websocket_handler.api.application import make_application
from websocket_handler.api.gateway import Gateway
from websocket_handler.api.http_factory import http_protocol_factory
from websocket_handler.api.http_limits import HttpLimits
from websocket_handler.api.metrics import make_registry
from websocket_handler.api.requests import Requests
from websocket_handler.api.short_way import ShortWay
from websocket_handler.assembly import Core, CoreOptions, Ports
from websocket_handler.background import Background
from websocket_handler.config import Settings
from websocket_handler.delivery.control import CONTROL_LOG
from websocket_handler.delivery.forwarding import ForwardLimits
from websocket_handler.delivery.node import OWN_LOG_LIMITS
from websocket_handler.edges import MetricsOutput, TargetWatch
from websocket_handler.hub.log import LogLimits
from websocket_handler.life import Edge
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.net.entrance import EndSocket, Entrance, EntranceOptions, HttpProtocolFactory
from websocket_handler.net.keepalive import KeepaliveOptions
from websocket_handler.net.lingering import LINGER_BYTES, Lingering
from websocket_handler.net.native_send import IS_BUILT, natively
from websocket_handler.ports.authenticator import Authenticator
from websocket_handler.ports.backplane import NoBackplane
from websocket_handler.ports.clock import Clock
from websocket_handler.ports.log_store import LogStore
from websocket_handler.ports.peers import Peers
from websocket_handler.ports.transport import one_by_one
from websocket_handler.protocol.replies import Greeting
from websocket_handler.protocol.session import SessionLimits
from websocket_handler.server import ServerOptions
from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.log import EventLog
from websocket_handler.telemetry.resources import Resources

if TYPE_CHECKING:
    from websocket_handler.adapters.valkey.setup import SharedValkey

BODY_MESSAGES_MAX: Final = 100
"""How many of the largest messages a request body has room for."""
ANSWER_MARGIN_S: Final = 5.0
"""No command is answered later than a forward. A client that sends no more waits this much longer than that."""

# The ports


def aws_ports(settings: Settings, aws: AwsWire, log: EventLog, counters: Counters, background: Background) -> Ports:
    """The ports of a node that runs on AWS, or alone with its logs in memory."""
    clock = SystemClock()
    resources = Resources(log, clock.monotonic)
    watched = WatchedCalls(aws.call, _named_resources(settings), resources, aws.begin)
    table = Table(settings.dynamodb_table_name, watched.call, watched.begin)
    valkey = _shared_valkey(settings, background)
    log_store = _log_store(settings, clock, table, background, valkey)
    updates_url = settings.sqs_queue_url_updates
    return Ports(
        clock=clock,
        scheduler=asyncio.get_running_loop(),
        random=SystemRandom(),
        log_store=log_store,
        broadcast_store=MemoryLogStore(clock, _log_limits(settings)),
        own_store=MemoryLogStore(clock, OWN_LOG_LIMITS),
        state_store=DynamoDbStateStore(table, clock) if settings.connection_records == "on" else NoRecords(),
        peers=_peers(settings, table, valkey),
        backplane=valkey.backplane if valkey is not None else NoBackplane(),
        tickets=valkey.tickets if valkey is not None else None,
        directory=valkey.directory if valkey is not None else None,
        common_store=_common_store(settings, clock, table, background, valkey),
        forwarder=SqsForwarder(settings.queue_urls, settings.forward_body, watched.call),
        queues=SqsQueues(_queue_urls(settings), watched.call),
        update_source=SqsUpdateSource(updates_url, watched.call) if updates_url else None,
        task_protection=EcsTaskProtection(settings.ecs_agent_uri),
        authenticator=_authenticator(settings, clock, background),
        new_id=new_hex_id,
        new_log_id=numbered_ids(),
        memory_bytes=resident_bytes,
        cpu_s=process_time,
        log=log,
        counters=counters,
        resources_unusable=lambda: resources.unusable,
        group=natively if is_native(settings) else one_by_one,
    )


def _queue_urls(settings: Settings) -> dict[str, str]:
    """The queues' URLs by the names that operators read."""
    urls = {agent.value: url for agent, url in settings.queue_urls.items()}
    return {**urls, "updates": settings.sqs_queue_url_updates} if settings.sqs_queue_url_updates else urls


def _named_resources(settings: Settings) -> dict[str, str]:
    """The queues' URLs and the table's name, by the variable that names them."""
    named = {f"SQS_QUEUE_URL_{agent.value.upper()}": url for agent, url in settings.queue_urls.items()}
    if settings.sqs_queue_url_updates:
        named["SQS_QUEUE_URL_UPDATES"] = settings.sqs_queue_url_updates
    return {**named, "DYNAMODB_TABLE_NAME": settings.dynamodb_table_name}


def _shared_valkey(settings: Settings, background: Background) -> "SharedValkey | None":
    if not settings.has_backplane:
        return None
    from websocket_handler.adapters.valkey.setup import SharedValkey  # noqa: PLC0415 - loads only where it is used

    return SharedValkey(settings.valkey_url, new_id(), background.keep)


def _log_store(
    settings: Settings, clock: Clock, table: Table, background: Background, valkey: "SharedValkey | None"
) -> LogStore:
    limits = _log_limits(settings)
    if settings.log_store == "memory":
        return MemoryLogStore(clock, limits, settings.history_total_bytes)
    return _shared_store(settings, clock, table, background, valkey, limits)


def _common_store(
    settings: Settings, clock: Clock, table: Table, background: Background, valkey: "SharedValkey | None"
) -> LogStore | None:
    """The nodes' own logs are where the projects' logs are. They are kept longer than some of these."""
    return None if valkey is None else _shared_store(settings, clock, table, background, valkey, CONTROL_LOG)


def _shared_store(
    settings: Settings,
    clock: Clock,
    table: Table,
    background: Background,
    valkey: "SharedValkey | None",
    limits: LogLimits,
) -> LogStore:
    """Logs that other nodes write, too, of which as much is kept as `limits` say."""
    if settings.log_store == "valkey":
        assert valkey is not None, "the settings were checked"
        from websocket_handler.adapters.valkey.log_store import ValkeyLogOptions  # noqa: PLC0415 - as above

        options = ValkeyLogOptions(history=limits, commit=settings.valkey_commit, known_logs_max=settings.max_projects)
        store: LogStore = valkey.log_store(background.start, clock, numbered_ids(), options)
    else:
        store = DynamoDbLogStore(table, background.start, clock, DynamoDbLogOptions(history=limits))
    return store if valkey is None else AnnouncedLogStore(store, valkey.backplane)


def _peers(settings: Settings, table: Table, valkey: "SharedValkey | None") -> Peers:
    """Nodes announce themselves where their logs are."""
    if settings.log_store == "memory":
        return MemoryPeers()
    if settings.log_store == "valkey" and valkey is not None:
        return valkey.peers
    return DynamoDbPeers(table)


def _authenticator(settings: Settings, clock: Clock, background: Background) -> Authenticator | None:
    """The only function that reads the mode of authentication."""
    if settings.auth_mode == "none":
        return None
    from websocket_handler.adapters.jwt import setup  # noqa: PLC0415 - cryptography loads only where it is used

    return setup.started(msgspec.structs.asdict(settings), background.start, clock.monotonic)


def is_native(settings: Settings) -> bool:
    """True if fan-out uses the compiled loop."""
    return IS_BUILT and settings.native_send == "on"


# The options


def core_options(settings: Settings, node_id: str) -> CoreOptions:
    """How much a node with these settings takes, and what it tells its clients."""
    return CoreOptions(
        server=_server_options(settings, node_id),
        delivery=_delivery_limits(settings),
        forward=ForwardLimits(timeout_s=settings.forward_timeout_s, linger_s=settings.forward_linger_ms / 1000),
        access=AccessOptions(
            authentication_timeout_s=settings.auth_timeout_s,
            connections_per_user=settings.connections_per_user,
            is_token_in_query_allowed=settings.allow_token_in_query == "on",  # noqa: S105
        ),
        admission=AdmissionOptions(
            handshakes_per_second=settings.handshakes_per_second,
            connections_per_address=settings.connections_per_address,
            trusted_proxy_hops=settings.trusted_proxy_hops,
            memory_limit_bytes=memory_limit_bytes(settings.memory_limit_bytes),
        ),
        allowed_origins=settings.allowed_origins,
        keepalive=KeepaliveOptions(
            settings.ping_interval_s, settings.slow_client_timeout_s, settings.forward_timeout_s + ANSWER_MARGIN_S
        ),
        is_rebalanced=settings.rebalance == "auto",
        scale_in_protection_connections=settings.scale_in_protection_connections,
    )


def _server_options(settings: Settings, node_id: str) -> ServerOptions:
    greeting = Greeting(
        node_id=node_id,
        ping_interval_s=settings.ping_interval_s,
        message_bytes=settings.max_message_bytes,
        subscriptions=settings.max_subscriptions,
        commands_per_second=_told(settings.commands_per_second),
        history_messages=settings.history_messages,
    )
    session = SessionLimits(
        settings.max_message_bytes,
        settings.commands_per_second,
        settings.bytes_per_second,
        _if_set(settings.publishes_per_second),
        _if_set(settings.publish_bytes_per_second),
    )
    return ServerOptions(greeting, session)


def _told(rate: float) -> int:
    """A rate as a greeting tells it: a whole number. 0 would mean that there is no limit."""
    return max(1, int(rate)) if rate else 0


def _if_set(rate: float) -> float | None:
    return None if rate < 0 else rate


def _log_limits(settings: Settings) -> LogLimits:
    return LogLimits(settings.history_messages, settings.history_bytes, settings.history_seconds)


def _delivery_limits(settings: Settings) -> DeliveryLimits:
    return DeliveryLimits(
        log=_log_limits(settings),
        message_bytes=settings.max_message_bytes,
        log_bytes_total=settings.history_total_bytes,
        run_lease_s=settings.run_lease_s,
        run_snapshot_bytes=min(settings.run_snapshot_bytes, settings.outbox_bytes),
        projects=settings.max_projects,
        write_bytes=settings.outbox_bytes // 2,
        connections=settings.max_connections,
        subscriptions=settings.max_subscriptions,
        history_page_messages=settings.history_messages,
        history_page_bytes=settings.outbox_bytes,
        commit_linger_s=settings.commit_linger_ms / 1000,
    )


# The edges


def make_entrance(settings: Settings, core: Core, requests: Requests | None = None) -> Entrance:
    """The entrance for sockets: it gives handshakes to the core, and every other request to the HTTP API. `requests`
    are those that the API answers; whoever stops the node stops them."""
    options = EntranceOptions(
        head_bytes=settings.head_bytes,
        handshake_timeout_s=settings.handshake_timeout_s,
        has_echo=settings.diag_echo == "1",
        has_compression=settings.compression == "on",
    )
    body_bytes_max = BODY_MESSAGES_MAX * settings.max_message_bytes
    end_socket = Lingering(bytes_max=max(LINGER_BYTES, body_bytes_max + settings.head_bytes)).end
    http = _http(settings, core, options, end_socket, requests or Requests())
    return Entrance(options, core.sockets, http, end_socket)


def http_gateway(core: Core, body_bytes_max: int, body_timeout_s: float) -> Gateway:
    """The node as the HTTP API sees it. A request body may have `body_bytes_max` bytes and take `body_timeout_s`."""
    return Gateway(
        node=core.node,
        own_log=core.own_log,
        forwarding=core.forwarding,
        decisions=core.decisions,
        queue_watch=core.queue_watch,
        control=core.control,
        clock=core.ports.clock,
        log=core.ports.log,
        counters=core.ports.counters,
        body_bytes_max=body_bytes_max,
        body_timeout_s=body_timeout_s,
        is_draining=lambda: core.server.is_draining,
        readiness=core.readiness,
        presence=core.server.presence,
        census=core.census,
        access=core.access,
        admission=core.admission,
        refusals=core.sockets.refusals,
    )


def _http(
    settings: Settings, core: Core, options: EntranceOptions, end_socket: EndSocket, requests: Requests
) -> HttpProtocolFactory:
    gateway = http_gateway(core, BODY_MESSAGES_MAX * settings.max_message_bytes, settings.handshake_timeout_s)
    registry = make_registry(core.ports.counters, core.gauges)
    application = make_application(
        gateway,
        registry,
        has_console=settings.console != "off",
        is_console_read_only=settings.console == "read",
        path=options.path,
        random=core.ports.random,
        origins=core.origins,
    )
    limits = HttpLimits(
        options.head_bytes, settings.handshake_timeout_s, settings.slow_client_timeout_s, settings.max_connections
    )
    date = core.sockets.date
    short_way = ShortWay(gateway, date, requests).request
    return http_protocol_factory(application, date, end_socket, limits, core.ports.counters, requests, short_way)


def metrics_output(settings: Settings, core: Core, background: Background) -> list[Edge]:
    """The metrics on stdout, if the operator wants them."""
    if settings.metrics != "emf":
        return []
    metrics = EmbeddedMetrics(core.ports.counters, core.gauges, core.ports.clock.wall, settings.environment)
    return [MetricsOutput(metrics, settings.metrics_interval_s, background)]


def drain_signs(settings: Settings, aws: AwsWire, log: EventLog) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """What tells that the node is about to go away, earlier than SIGTERM does."""
    if not settings.target_group_arn:
        return {}

    async def find_address() -> str:
        return settings.target_address or await own_address(settings.ecs_container_metadata_uri_v4)

    watch = TargetWatch(aws, log, settings.target_group_arn, find_address, settings.websocket_port)
    return {"target": watch.until_draining}
