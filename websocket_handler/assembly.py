"""Ports in, core out: the one place where the parts of a node are joined. `serve`, the tests and the simulation use it.

The outside gives the ports; the options say how much the node may take. What stands around the core (sockets, HTTP,
metrics) is built on top of it, and `life` starts and stops all of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from websocket_handler.access.access import Access, AccessOptions
from websocket_handler.access.admission import Admission, AdmissionOptions
from websocket_handler.access.open_access import OpenAccess
from websocket_handler.access.origins import Origins, read_origins
from websocket_handler.access.token_access import TokenAccess
from websocket_handler.delivery.follower import Follower
from websocket_handler.delivery.forwarding import Forwarding, ForwardLimits
from websocket_handler.delivery.gauges import gauges_of
from websocket_handler.delivery.node import Node
from websocket_handler.delivery.readiness import Readiness
from websocket_handler.delivery.recorder import StateRecorder
from websocket_handler.delivery.scale_in import ScaleInProtection
from websocket_handler.delivery.updates import UpdateConsumer
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.net.keepalive import Keepalive, KeepaliveOptions
from websocket_handler.net.shared import Shared
from websocket_handler.ports.authenticator import Authenticator
from websocket_handler.ports.clock import Clock, Scheduler
from websocket_handler.ports.forwarder import Forwarder
from websocket_handler.ports.log_store import LogStore
from websocket_handler.ports.peers import Peers
from websocket_handler.ports.state_store import StateStore
from websocket_handler.ports.task_protection import TaskProtection
from websocket_handler.ports.transport import Group, one_by_one
from websocket_handler.ports.update_source import UpdateSource
from websocket_handler.protocol.http_date import HttpDate
from websocket_handler.protocol.publication import finish
from websocket_handler.server import ServerOptions, WebSocketServer
from websocket_handler.telemetry.counters import Counters, Gauges
from websocket_handler.telemetry.log import EventLog
from websocket_handler.telemetry.refusals import RefusalLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the outside gives a node."""

    clock: Clock
    scheduler: Scheduler
    random: Random
    log_store: LogStore
    broadcast_store: LogStore
    """Keeps the log of broadcasts, which no other node sees."""
    state_store: StateStore
    peers: Peers
    forwarder: Forwarder
    update_source: UpdateSource | None
    """None if agents leave no updates in a queue."""
    task_protection: TaskProtection
    authenticator: Authenticator | None
    """None if everybody may come in and do everything (`AUTH_MODE=none`)."""
    new_id: Callable[[], str]
    """Makes ids that nobody can guess: of connections and messages, and tickets."""
    new_log_id: Callable[[], str]
    """Makes ids that no two nodes make twice, at little cost: of epochs and writers."""
    memory_bytes: Callable[[], int]
    """How much memory the process takes."""
    log: EventLog
    counters: Counters
    group: Group = one_by_one
    """How the same bytes reach many clients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreOptions:
    """How much a node takes, and what it tells its clients."""

    server: ServerOptions
    delivery: DeliveryLimits = field(default_factory=DeliveryLimits)
    forward: ForwardLimits = field(default_factory=ForwardLimits)
    access: AccessOptions = field(default_factory=AccessOptions)
    admission: AdmissionOptions = field(default_factory=AdmissionOptions)
    allowed_origins: str = ""
    """Comma-separated origins of web pages, or `*`. Pages of the own host need not be named."""
    keepalive: KeepaliveOptions = field(default_factory=KeepaliveOptions)
    scale_in_protection_connections: int = 0
    """From how many connections on the node is protected from scale-in; 0 for never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """A node without its edges."""

    ports: Ports
    node: Node
    forwarding: Forwarding
    recorder: StateRecorder
    follower: Follower
    updates: UpdateConsumer | None
    scale_in: ScaleInProtection
    access: Access
    origins: Origins
    admission: Admission
    server: WebSocketServer
    keepalive: Keepalive
    sockets: Shared
    """What all WebSockets of the node share."""
    readiness: Readiness

    def gauges(self) -> Gauges:
        """What is true of the node at this moment."""
        return gauges_of(self.node, self.forwarding, is_draining=self.server.is_draining)


def assemble(ports: Ports, options: CoreOptions) -> Core:
    """Build a node. Nothing is started, and nothing runs before `life` starts it."""
    clock, counters, log = ports.clock, ports.counters, ports.log
    node_id, limits = options.server.greeting.node_id, options.delivery
    engine = Engine(
        store=ports.log_store,
        clock=clock,
        scheduler=ports.scheduler,
        limits=limits,
        counters=counters,
        new_id=ports.new_log_id,
        finish=finish,
        group=ports.group,
    )
    recorder = StateRecorder(ports.state_store, node_id, clock, ports.random, log.report)
    node = Node(engine, ports.broadcast_store, recorder)
    forwarding = Forwarding(ports.forwarder, clock, options.forward, counters, ports.random)
    follower = Follower(ports.peers, node, node_id, clock)
    source = ports.update_source
    updates = None if source is None else UpdateConsumer(source, node, counters, ports.random, log.report)
    access = _access(ports, options.access, node.projects.wake_readers)
    origins = Origins(read_origins(options.allowed_origins), has_loopback=access.has_loopback_pages)
    admission = Admission(options.admission, origins, clock.monotonic, access, ports.memory_bytes)
    server = WebSocketServer(node, forwarding, clock, options.server, ports.new_id, access)
    keepalive = Keepalive(options.keepalive, clock.monotonic, admission.is_memory_short)
    return Core(
        ports=ports,
        node=node,
        forwarding=forwarding,
        recorder=recorder,
        follower=follower,
        updates=updates,
        scale_in=_scale_in(ports, options.scale_in_protection_connections, node, follower),
        access=access,
        origins=origins,
        admission=admission,
        server=server,
        keepalive=keepalive,
        sockets=Shared(
            server=server,
            admission=admission,
            keepalive=keepalive,
            counters=counters,
            log=log,
            now=clock.monotonic,
            message_bytes=limits.message_bytes,
            date=HttpDate(clock.wall, clock.text),
            refusals=RefusalLog(log, clock.monotonic),
        ),
        readiness=_readiness(ports, server, forwarding, updates, recorder, access),
    )


def _access(ports: Ports, options: AccessOptions, revoked: Callable[[], None]) -> Access:
    """The only place that asks if clients have to say who they are."""
    if ports.authenticator is None:
        return OpenAccess(ports.new_id)
    return TokenAccess(ports.authenticator, ports.clock, ports.scheduler, options, ports.new_id, revoked)


def _scale_in(ports: Ports, threshold: int, node: Node, follower: Follower) -> ScaleInProtection:
    return ScaleInProtection(
        protection=ports.task_protection,
        threshold=threshold,
        connections=lambda: len(node.connections),
        has_peers=lambda: bool(follower.others),
        clock=ports.clock,
        counters=ports.counters,
        report=ports.log.report,
    )


def _readiness(
    ports: Ports,
    server: WebSocketServer,
    forwarding: Forwarding,
    updates: UpdateConsumer | None,
    recorder: StateRecorder,
    access: Access,
) -> Readiness:
    failures: dict[str, Callable[[], str | None]] = {
        ports.log_store.name: ports.log_store.failure,
        ports.forwarder.name: forwarding.failure,
    }
    if updates is not None and ports.update_source is not None:
        failures[f"{ports.update_source.name} updates"] = lambda: updates.fault
    failures[f"{ports.state_store.name} state"] = lambda: recorder.fault
    failures["authentication"] = access.failure
    return Readiness(lambda: server.is_draining, failures)
