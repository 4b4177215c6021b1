"""The way to one client: bytes out, in order, never waiting."""

from collections.abc import Callable, Sequence
from typing import Protocol


class Transport(Protocol):
    """A live connection's outgoing half.

    `write` takes whole frames and never blocks. When the client does not take them at once, the owner is told to
    pause (`Connection.pause`) before `write` returns, and to resume when everything left.
    """

    descriptor: int
    """The socket, to which bytes may be sent past `write` as long as the owner is not paused; -1 when there is none."""

    def write(self, data: bytes) -> None:
        """Send frames, or the rest of them. After `close` or `abort` it does nothing."""
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


SendToAll = Callable[[bytes], object]
"""Sends the same frames to each of a group of transports, none of whose owners is paused."""
Group = Callable[[Sequence[Transport]], SendToAll]
"""Makes a group of transports, which stays as it is."""


def one_by_one(transports: Sequence[Transport]) -> SendToAll:
    """A group that asks each transport to write."""
    writes = [transport.write for transport in transports]

    def send(data: bytes) -> None:
        for write in writes:
            write(data)

    return send
