"""The way to one client: it takes bytes, keeps their order, and never waits."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol


class Transport(Protocol):
    """The outgoing half of a live connection.

    `write` takes whole frames and never blocks. If the client does not take them at once, the transport calls
    `Connection.pause` before `write` returns, and `Connection.resume` once everything has left.
    """

    descriptor: int
    """The socket's file descriptor. Bytes may be sent to it directly, without `write`, while the connection is not
    paused. -1 if there is none."""

    def write(self, data: bytes) -> None:
        """Send frames, or the rest of frames that were sent in part. After `close` or `abort` it does nothing."""
        ...

    def buffered_bytes(self) -> int:
        """How many bytes wait to be sent."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Send a close frame with this code after the frames that were written before, and end the connection after the
        closing handshake, or when its deadline has passed."""
        ...

    def abort(self) -> None:
        """End the connection at once. Bytes that wait are lost."""
        ...


class _Nowhere:
    """The transport of a client that is gone."""

    descriptor = -1

    def write(self, data: bytes) -> None:
        pass

    def buffered_bytes(self) -> int:
        return 0

    def close(self, code: int, reason: str) -> None:
        pass

    def abort(self) -> None:
        pass


NOWHERE: Final[Transport] = _Nowhere()
"""Takes everything and sends nothing."""

SendToAll = Callable[[bytes], object]
"""Sends the same frames to every transport of a group. None of them may be paused."""
Group = Callable[[Sequence[Transport]], SendToAll]
"""Makes a group of transports. The members of a group never change."""


def one_by_one(transports: Sequence[Transport]) -> SendToAll:
    """A group that asks each transport to write."""
    writes = [transport.write for transport in transports]

    def send(data: bytes) -> None:
        for write in writes:
            write(data)

    return send
