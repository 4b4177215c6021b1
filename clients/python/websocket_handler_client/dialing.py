"""What the client needs of WebSockets; `sockets.py` has it from a library."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class RefusedHandshake(Exception):
    """The handshake got an HTTP answer."""

    def __init__(self, status: int, body: bytes, retry_after: str | None) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.body = body
        self.retry_after = retry_after


class UnreachableError(Exception):
    """There was no answer, or none that makes sense."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a socket ended. `code` is None if there was no close frame."""

    code: int | None
    reason: str


class Socket(Protocol):
    """An open WebSocket."""

    async def send(self, text: str) -> None:
        """Send a text. Does nothing if the socket has ended: `receive` tells."""
        ...

    async def receive(self, take: Callable[[str | bytes], None]) -> Ended:
        """Give each message to `take`, until the socket ends."""
        ...

    async def close(self) -> None:
        """Close with 1000, and wait for the answer."""
        ...

    def abort(self) -> None:
        """End it at once."""
        ...


class Dial(Protocol):
    """Opens sockets."""

    async def __call__(self, url: str, token: str | None, closing_s: float) -> Socket:
        """Open one. Raises RefusedHandshake or UnreachableError."""
        ...
