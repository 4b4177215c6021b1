"""The way to one client: bytes out, in order, never waiting."""

from typing import Protocol


class Transport(Protocol):
    """A live connection's outgoing half.

    `write` takes whole frames and never blocks. When more than the outbox's high-water mark waits, the owner is
    told to pause (`Connection.pause`) before `write` returns, and to resume when it drained.
    """

    def write(self, data: bytes) -> None:
        """Send frames. After `close` or `abort` it does nothing."""
        ...

    def buffered_bytes(self) -> int:
        """How many bytes wait to be sent."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Say goodbye with this close code: frames already written go first, then the closing handshake, with
        a deadline."""
        ...

    def abort(self) -> None:
        """Drop the connection at once, with everything that waits."""
        ...
