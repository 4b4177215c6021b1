"""Ports in, core out: the one place that joins the parts of a node. `serve`, the tests and the simulation use it.

The caller gives the ports; the options say how much the node may take. The parts around the core (sockets, HTTP,
metrics) are built on top of it, and `life` starts and stops everything.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from websocket_handler.access.access import Access, AccessOptions
from websocket_handler.access.admission import Admission, AdmissionOptions
from websocket_handler.access.open_access import OpenAccess
from websocket_handler.access.origins import Origins, read_origins
from websocket_handler.access.token_access import TokenAccess
from websocket_handler.access.users import UserCount
from websocket_handler.delivery.census import Census
from websocket_handler.delivery.control import Control
from websocket_handler.delivery.decisions import Decisions
from websocket_handler.delivery.follower import Follower
from websocket_handler.delivery.forwarding import Forwarding, ForwardLimits
from websocket_handler.delivery.gauges import gauges_of
from websocket_handler.delivery.headcount import Headcount
from websocket_handler.delivery.listing import Listing, Observers
from websocket_handler.delivery.node import Node
from websocket_handler.delivery.own_log import OwnLog
from websocket_handler.delivery.queue_watch import QueueWatch
from websocket_handler.delivery.readiness import Readiness
from websocket_handler.delivery.recorder import StateRecorder
from websocket_handler.delivery.scale_in import ScaleInProtection
from websocket_handler.delivery.updates import UpdateConsumer
from websocket_handler.delivery.wake_ups import WakeUps
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.net.keepalive import Keepalive, KeepaliveOptions
from websocket_handler.net.rebalancing import Rebalancing
from websocket_handler.net.shared import Shared
from websocket_handler.ports.authenticator import Authenticator
from websocket_handler.ports.backplane import Backplane, NoBackplane
from websocket_handler.ports.clock import Clock, Scheduler
from websocket_handler.ports.directory import Directory
from websocket_handler.ports.forwarder import Forwarder
from websocket_handler.ports.log_store import LogStore
from websocket_handler.ports.peers import Peers
from websocket_handler.ports.queues import Queues
from websocket_handler.ports.state_store import StateStore
from websocket_handler.ports.task_protection import TaskProtection
from websocket_handler.ports.ticket_store import TicketStore
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
    """What the caller gives a node."""

    clock: Clock
    scheduler: Scheduler
    random: Random
    log_store: LogStore
    broadcast_store: LogStore
    """Keeps the log of broadcasts. No other node sees it."""
    own_store: LogStore
    """Keeps the log in which the node tells about itself. No other node sees it either."""
    state_store: StateStore
    peers: Peers
    forwarder: Forwarder
    update_source: UpdateSource | None
    """None if agents leave no updates in a queue."""
    task_protection: TaskProtection
    authenticator: Authenticator | None
    """None if everybody may come in and do everything (`AUTH_MODE=none`)."""
    new_id: Callable[[], str]
    """Makes ids that nobody can guess, for connections, messages and tickets."""
    new_log_id: Callable[[], str]
    """Makes ids that no two nodes make twice, at low cost, for epochs and writers."""
    memory_bytes: Callable[[], int]
    """How much memory the process takes, in bytes."""
    log: EventLog
    counters: Counters
    cpu_s: Callable[[], float] = lambda: 0.0
    """How many seconds of processor time the process took."""
    resources_unusable: Callable[[], int] = lambda: 0
    """How many queues and tables only an operator can make usable."""
    backplane: Backplane = field(default_factory=NoBackplane)
    """How this node hears what other nodes write."""
    tickets: TicketStore | None = None
    """Keeps tickets for all nodes. None if a ticket is good on the node that issued it only."""
    directory: Directory | None = None
    """Where nodes write who is connected to them. None if this node lists its own clients only."""
    common_store: LogStore | None = None
    """Keeps the logs that nodes write for each other: broadcasts, and what an operator does. None if this node tells
    others nothing."""
    queues: Queues | None = None
    """The queues as an operator sees them. None if the node shows none."""
    group: Group = one_by_one
    """How the same bytes are sent to many clients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreOptions:
    """How much a node takes, and what it tells its clients."""

    server: ServerOptions
    delivery: DeliveryLimits = field(default_factory=DeliveryLimits)
    forward: ForwardLimits = field(default_factory=ForwardLimits)
    access: AccessOptions = field(default_factory=AccessOptions)
    admission: AdmissionOptions = field(default_factory=AdmissionOptions)
    allowed_origins: str = ""
    """Comma-separated origins of web pages, or `*`. Pages of the gateway's own host are always allowed."""
    keepalive: KeepaliveOptions = field(default_factory=KeepaliveOptions)
    is_rebalanced: bool = False
    """True if a node with more clients than its share moves the surplus after another one has started, unasked."""
    scale_in_protection_connections: int = 0
    """The node is protected from scale-in from this number of connections on; 0 means never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """A node without its edges."""

    ports: Ports
    node: Node
    census: Census
    listing: Listing | None
    """None if there is no directory."""
    headcount: Headcount | None
    """None if users have no limit, or there is no directory."""
    control: Control
    forwarding: Forwarding
    decisions: Decisions
    queue_watch: QueueWatch
    recorder: StateRecorder
    own_log: OwnLog
    follower: Follower
    wake_ups: WakeUps
    updates: UpdateConsumer | None
    scale_in: ScaleInProtection
    rebalancing: Rebalancing | None
    """None if there is no directory."""
    access: Access
    origins: Origins
    admission: Admission
    server: WebSocketServer
    keepalive: Keepalive
    sockets: Shared
    """What all WebSockets of the node share."""
    readiness: Readiness

    def gauges(self) -> Gauges:
        """The state of the node at this moment."""
        backplane = self.ports.backplane
        return gauges_of(
            self.node,
            self.forwarding,
            is_draining=self.server.is_draining,
            resources_unusable=self.ports.resources_unusable(),
            is_backplane_down=not isinstance(backplane, NoBackplane) and backplane.failure() is not None,
        )


def assemble(ports: Ports, options: CoreOptions) -> Core:
    """Build a node. Nothing runs before `life` starts it."""
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
        chance=ports.random.random,
        group=ports.group,
        has_peers=ports.common_store is not None,
        report=log.report,
    )
    recorder = StateRecorder(ports.state_store, node_id, clock, ports.random, log.report)
    listing = None
    if ports.directory is not None:
        listing = Listing(ports.directory, node_id, ports.random, limits.presence_listed)
    observer = recorder if listing is None else Observers((recorder, listing))
    node = Node(engine, ports.broadcast_store, observer, ports.common_store, ports.own_store)
    forwarding = Forwarding(ports.forwarder, clock, options.forward, counters, ports.random)
    follower = Follower(ports.peers, node, node_id, clock, lambda: ports.backplane.failure() is not None)
    census = Census(node, ports.directory, node_id, lambda: follower.others, lambda: control.draining)
    source = ports.update_source
    updates = None if source is None else UpdateConsumer(source, node, counters, ports.random, log.report)
    users = UserCount(options.access.connections_per_user, is_shared=ports.directory is not None)
    headcount = None
    if ports.directory is not None and users.is_told:
        headcount = Headcount(ports.directory, node_id, lambda: follower.others, users, ports.random)
    access = _access(ports, options.access, node.projects.wake_readers, users, headcount)
    rebalancing = None
    if ports.directory is not None:
        has = (node.connections, node_id, clock.monotonic, ports.random, log)
        rebalancing = Rebalancing(census, *has, is_automatic=options.is_rebalanced)

    def met() -> None:
        follower.look_soon()
        if rebalancing is not None:
            rebalancing.met()

    control = Control(
        node,
        access,
        ports.common_store,
        node_id,
        is_announced=lambda: follower.is_announced,
        met=met,
        rebalance=(lambda _seconds: None) if rebalancing is None else rebalancing.order,
    )
    origins = Origins(read_origins(options.allowed_origins), has_loopback=access.has_loopback_pages)
    admission = Admission(options.admission, origins, clock.monotonic, access, ports.memory_bytes)
    own_log = OwnLog(
        node,
        forwarding,
        node_id,
        clock,
        lambda: server.is_draining,
        ports.memory_bytes,
        ports.cpu_s,
        log.report,
    )
    server = WebSocketServer(
        node, forwarding, clock, options.server, ports.new_id, access, counters, census, own_log.used
    )
    keepalive = Keepalive(options.keepalive, clock.monotonic, admission.is_memory_short)
    return Core(
        ports=ports,
        decisions=Decisions(node, forwarding, clock),
        queue_watch=QueueWatch(ports.queues, clock),
        node=node,
        census=census,
        listing=listing,
        headcount=headcount,
        control=control,
        forwarding=forwarding,
        recorder=recorder,
        own_log=own_log,
        follower=follower,
        wake_ups=WakeUps(ports.backplane, node),
        updates=updates,
        scale_in=_scale_in(ports, options.scale_in_protection_connections, node, follower),
        rebalancing=rebalancing,
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
        readiness=_readiness(ports, server, forwarding, updates, recorder, access, control),
    )


def _access(
    ports: Ports, options: AccessOptions, revoked: Callable[[], None], users: UserCount, headcount: Headcount | None
) -> Access:
    """The only function that asks if clients have to say who they are."""
    if ports.authenticator is None:
        return OpenAccess(ports.new_id)
    return TokenAccess(
        ports.authenticator,
        ports.clock,
        ports.scheduler,
        options,
        ports.new_id,
        revoked,
        ports.tickets,
        users,
        None if headcount is None else headcount.ask,
    )


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
    control: Control,
) -> Readiness:
    failures: dict[str, Callable[[], str | None]] = {
        ports.log_store.name: ports.log_store.failure,
        ports.forwarder.name: lambda: forwarding.failure() or forwarding.unknown(),
    }
    if updates is not None and ports.update_source is not None:
        failures[f"{ports.update_source.name} updates"] = updates.queue.failure
    failures[f"{ports.state_store.name} state"] = lambda: recorder.fault
    failures["authentication"] = access.failure
    failures["control log"] = control.failure
    flaws = {ports.forwarder.name: forwarding.unusable}
    return Readiness(lambda: server.is_draining, failures, flaws)
