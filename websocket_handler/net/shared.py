"""What all WebSockets of one node share. Each socket keeps one reference to it, so that it costs nothing per socket."""

from collections.abc import Callable, Sequence
from typing import Protocol

from websocket_handler.access.admission import Admission
from websocket_handler.delivery.connection import Connection
from websocket_handler.net.keepalive import Keepalive
from websocket_handler.ports.transport import Transport
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.frames import Framing
from websocket_handler.protocol.identity import Identity
from websocket_handler.protocol.messages import Subscribe
from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.log import EventLog
from websocket_handler.telemetry.refusals import RefusalLog


class Server(Protocol):
    """The part of `WebSocketServer` that sockets call."""

    def check_room(self, subscriptions: int) -> None:
        """Raises CommandError unless one more client may come in that follows this many projects at once."""
        ...

    def register_connection(self, transport: Transport, identity: Identity | None, framing: Framing) -> Connection:
        """Take in a client and greet it. Without an identity it has to authenticate first. Raises CommandError."""
        ...

    def begin(self, connection: Connection, subscriptions: Sequence[Subscribe]) -> None:
        """Subscribe a client to the projects that its URL names."""
        ...

    def unregister_connection(self, connection: Connection) -> None:
        """Forget a client. Doing it twice changes nothing."""
        ...

    def handle_client_message(self, connection: Connection, text: bytes) -> None:
        """Carry out one message."""
        ...

    def refuse(self, connection: Connection, fault: CommandError) -> None:
        """Answer with an error."""
        ...


class Shared:
    """What the sockets of one node share. Each node has one."""

    __slots__ = (
        "admission",
        "counters",
        "date",
        "handle_message",
        "keepalive",
        "log",
        "message_bytes",
        "now",
        "refusals",
        "server",
    )

    def __init__(
        self,
        server: Server,
        admission: Admission,
        keepalive: Keepalive,
        counters: Counters,
        log: EventLog,
        now: Callable[[], float],
        message_bytes: int,
        date: Callable[[], str],
        refusals: RefusalLog,
    ) -> None:
        """`now` gives monotonic seconds, `date` the time as HTTP writes it. `message_bytes` is the size of the largest
        message a client may send."""
        self.server = server
        self.admission = admission
        self.keepalive = keepalive
        self.counters = counters
        self.log = log
        self.now = now
        self.date = date
        self.refusals = refusals
        self.message_bytes = message_bytes
        self.handle_message = server.handle_client_message
        """The bound method of the server, because looking it up for every message would cost time."""
