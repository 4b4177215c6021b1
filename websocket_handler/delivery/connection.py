"""One live client on this node: its session, its subscriptions, and the way to it."""

from collections.abc import Callable, Sequence

from websocket_handler.delivery.in_flight import InFlight
from websocket_handler.logs.fan_out import Subscription
from websocket_handler.logs.project import Project
from websocket_handler.ports.clock import Timer
from websocket_handler.ports.transport import NOWHERE, Transport
from websocket_handler.protocol.frames import PLAIN, Framing
from websocket_handler.protocol.identity import ANYONE, Identity
from websocket_handler.protocol.messages import Subscribe
from websocket_handler.protocol.session import Session


class Connection:
    """What the node knows of a client. For each project the client is level or behind. It has no queue of its own."""

    __slots__ = (
        "broadcasts",
        "connected_at",
        "connection_id",
        "framing",
        "identity",
        "in_flight",
        "is_authenticating",
        "is_open",
        "is_paused",
        "opened_at",
        "received",
        "session",
        "subscriptions",
        "timer",
        "transport",
        "waiting",
        "write",
    )

    def __init__(
        self,
        connection_id: str,
        transport: Transport,
        session: Session,
        now: float,
        wall: float,
        identity: Identity | None = ANYONE,
        framing: Framing = PLAIN,
    ) -> None:
        self.connection_id = connection_id
        self.transport = transport
        self.write: Callable[[bytes], object] = transport.write
        self.framing = framing
        """How its messages become frames."""
        self.session = session
        self.opened_at = now
        self.connected_at = wall
        self.identity = identity
        """Whose connection this is; None until the client has authenticated."""
        self.is_authenticating = False
        self.waiting: Sequence[Subscribe] = ()
        """The subscriptions that its URL names, until the client has authenticated."""
        self.timer: Timer | None = None
        """The timer of what happens next to its authentication: the deadline, the notice, or the end."""
        self.is_open = True
        self.is_paused = False
        self.in_flight = InFlight()
        self.received = 0
        """How many commands it has sent, for the log line at its end."""
        self.subscriptions: dict[str, tuple[Project, Subscription]] = {}
        self.broadcasts: tuple[Project, Subscription] | None = None

    def write_with(self, write: Callable[[bytes], object]) -> None:
        """Send frames with this function from now on. The transport calls this when it no longer needs to see each
        frame."""
        self.write = write

    def lost(self) -> None:
        """The transport is gone, after the client was unregistered. This connection, its transport and its cursors no
        longer hold each other, so that their memory is free at once and not when the collector of garbage comes by."""
        self.transport, self.write = NOWHERE, NOWHERE.write
        self.subscriptions, self.broadcasts = {}, None

    def push(self, payload: bytes) -> None:
        """Send one frame with this payload. If the connection is closed, nothing happens."""
        if self.is_open:
            self.write(self.framing.text(payload))

    def push_all(self, payloads: Sequence[bytes]) -> None:
        """Send one frame for each payload, all in one write."""
        if self.is_open:
            self.write(b"".join(map(self.framing.text, payloads)))

    def pause(self) -> None:
        """The client did not take everything at once. Until it has, further publications wait in the logs."""
        if self.is_paused:
            return
        self.is_paused = True
        for project, cursor in self._cursors():
            project.fan_out.pause(cursor)

    def resume(self) -> None:
        """The outbox is empty again: catch up from the logs."""
        self.is_paused = False
        for project, cursor in self._cursors():
            if self.is_paused:
                return
            project.fan_out.resume(cursor)

    def _cursors(self) -> list[tuple[Project, Subscription]]:
        own = list(self.subscriptions.values())
        return own if self.broadcasts is None else [*own, self.broadcasts]
