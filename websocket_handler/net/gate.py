"""What every socket of a node shares: the server it serves, its limits, and where it reports."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from websocket_handler.access.admission import Admission
from websocket_handler.delivery.connection import Connection
from websocket_handler.delivery.node import Node
from websocket_handler.ports.clock import Clock
from websocket_handler.ports.transport import Transport
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.deflate import DeflateFraming
from websocket_handler.protocol.frames import PLAIN, Framing
from websocket_handler.protocol.identity import ANYONE, Identity
from websocket_handler.protocol.messages import Subscribe
from websocket_handler.telemetry.log import EventLog

if TYPE_CHECKING:
    from websocket_handler.net.keepalive import Keepalive


@dataclass(frozen=True, slots=True)
class NetOptions:
    """Limits of the sockets."""

    path: str = "/ws"
    message_bytes: int = 65536
    head_bytes: int = 16384
    """The most a request head may take."""
    handshake_timeout_s: float = 10.0
    ping_interval_s: float = 25.0
    slow_client_timeout_s: float = 60.0
    backlog: int = 2048
    entries: int = 4096
    """Sockets whose first request is not complete; beyond it the oldest of them is dropped."""
    has_echo: bool = False
    """Whether conformance suites may use `/__echo`."""
    has_compression: bool = False
    """Whether permessage-deflate is agreed on with clients that offer it."""


class Server(Protocol):
    """The part of `WebSocketServer` that the sockets call."""

    node: Node
    is_draining: bool

    def register_connection(self, transport: Transport, identity: Identity | None = ANYONE) -> Connection:
        """Take in a client and greet it; without an identity it has to authenticate. Raises CommandError."""
        ...

    def begin(self, connection: Connection, subscriptions: tuple[Subscribe, ...]) -> None:
        """Subscribe a client to what its URL names."""
        ...

    def unregister_connection(self, connection: Connection) -> None:
        """Let a client go."""
        ...

    def handle_client_message(self, connection: Connection, text: bytes) -> None:
        """Carry out one message."""
        ...

    def refuse(self, connection: Connection, fault: CommandError) -> None:
        """Answer with an error."""
        ...


class Gate:
    """One per node."""

    def __init__(
        self,
        server: Server,
        options: NetOptions,
        clock: Clock,
        log: EventLog,
        admission: Admission,
    ) -> None:
        self.server = server
        self.admission = admission
        self.options = options
        self.log = log
        self.now = clock.monotonic
        self.handle_message = server.handle_client_message
        self.deflate = DeflateFraming() if options.has_compression else None
        self.keepalive: Keepalive

    def framing(self, extensions: str) -> Framing:
        """How a connection is framed that agreed on these extensions."""
        return self.deflate if self.deflate is not None and extensions else PLAIN

    def ended(self, connection: Connection, close_code: int) -> None:
        """A socket is gone: let its connection go and write its canonical line."""
        self.server.unregister_connection(connection)
        self.server.node.engine.counters.close_codes[close_code] += 1
        self.log.emit(
            "connection.closed",
            connection_id=connection.connection_id,
            close_code=close_code,
            duration_s=round(self.now() - connection.opened_at, 3),
            commands=connection.received,
            projects=len(connection.subscriptions),
        )

    def report_bug(self, connection: Connection, fault: Exception) -> None:
        """An exception that no rule foresaw, once, with the connection it hit."""
        self.log.exception("connection.failed", fault, connection_id=connection.connection_id)
