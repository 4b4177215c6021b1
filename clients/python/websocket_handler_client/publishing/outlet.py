"""What a publisher sends, and through what."""

from dataclasses import dataclass
from typing import Any, Protocol

from websocket_handler_client.core.position import Position


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One object for a project, or, without one, for every connection.

    A *numbered* object has `producer` and `sequence`. They are its idempotency key, and over a queue that mixes its
    messages they give its order.
    """

    project_id: str | None
    message: dict[str, Any]
    key: str | None = None
    """The idempotency key of the call if the object is not numbered; without one the outlet makes it. Only HTTP knows
    such keys."""


class Outlet(Protocol):
    """A way to the gateway."""

    @property
    def needs_numbers(self) -> bool:
        """True if only numbered objects can be sent twice without being published twice."""
        ...

    @property
    def blocks(self) -> bool:
        """True if `send` waits for the network: then an agent calls it in a thread."""
        ...

    def send(self, outgoing: list[Outgoing], timeout_s: float) -> list[Position | None]:
        """Send objects in order, and try again for `timeout_s` seconds. Returns their positions, as far as the way
        tells them. Raises RefusedError if a further try is of no use, else UnansweredError."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
