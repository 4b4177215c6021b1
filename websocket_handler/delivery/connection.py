"""One live client on this node: its protocol state, its subscriptions, and the way to it."""

from collections.abc import Callable, Sequence

from websocket_handler.delivery.in_flight import InFlight
from websocket_handler.logs.fan_out import Subscription
from websocket_handler.logs.project import Project
from websocket_handler.ports.clock import Timer
from websocket_handler.ports.transport import Transport
from websocket_handler.protocol.frames import PLAIN, Framing
from websocket_handler.protocol.identity import ANYONE, Identity
from websocket_handler.protocol.messages import Subscribe
from websocket_handler.protocol.session import Session


class Connection:
    """What the node knows of a client. It is level on a project or behind on it; it has no queue of its own."""

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
        """Whose connection this is; None until somebody said so."""
        self.is_authenticating = False
        self.waiting: Sequence[Subscribe] = ()
        """What its URL subscribes to, until it is known whose it is."""
        self.timer: Timer | None = None
        """Its next moment of authentication: the deadline, the notice, or the end."""
        self.is_open = True
        self.is_paused = False
        self.in_flight = InFlight()
        self.received = 0
        """Commands received, for the canonical log line."""
        self.subscriptions: dict[str, tuple[Project, Subscription]] = {}
        self.broadcasts: tuple[Project, Subscription] | None = None

    def write_with(self, write: Callable[[bytes], object]) -> None:
        """From now on send frames with this function. Its transport calls it once it needs to see no frame any more."""
        self.write = write

    def push(self, payload: bytes) -> None:
        """Send one frame with this payload. A reply to a closed connection is dropped."""
        if self.is_open:
            self.write(self.framing.text(payload))

    def push_all(self, payloads: Sequence[bytes]) -> None:
        """`push` for several, in one write."""
        if self.is_open:
            self.write(b"".join(map(self.framing.text, payloads)))

    def pause(self) -> None:
        """The client does not take everything at once: until it did, the rest waits in the logs."""
        if self.is_paused:
            return
        self.is_paused = True
        for project, cursor in self._cursors():
            project.fan_out.pause(cursor)

    def resume(self) -> None:
        """The outbox drained: catch up from the logs."""
        self.is_paused = False
        for project, cursor in self._cursors():
            if self.is_paused:
                return
            project.fan_out.resume(cursor)

    def _cursors(self) -> list[tuple[Project, Subscription]]:
        own = list(self.subscriptions.values())
        return own if self.broadcasts is None else [*own, self.broadcasts]
