"""The hand-over: the node tells its clients, in paced batches, when to come back. So they do not all come back at once,
and no client loses what the node has already written to it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol

from websocket_handler.delivery.connection import Connection
from websocket_handler.protocol import replies
from websocket_handler.protocol.codes import CloseCode

BATCHES_PER_SECOND: Final = 10
AFTER_MS_MAX: Final = 1000
"""The clients of one batch come back spread over this many milliseconds."""


@dataclass(frozen=True, slots=True)
class DrainResult:
    """How many clients were told to reconnect, and how many sockets were left at the end."""

    told: int
    left: int


class Sockets(Protocol):
    """The sockets of the node."""

    @property
    def count(self) -> int:
        """The number of sockets, those that are closing included."""
        ...


async def hand_over(
    connections: Mapping[str, Connection],
    sockets: Sockets,
    now: Callable[[], float],
    drain_s: float,
    random: Random,
) -> DrainResult:
    """Tell all connections of the node to reconnect elsewhere, spread over `drain_s` seconds.

    The node already refuses new connections. `connections` are those of the node; a connection leaves the mapping when
    it ends. `now` gives monotonic seconds. Returns when all sockets are closed, or when the time is over.
    """
    told = list(connections.values())
    random.shuffle(told)
    batches = max(1, int(drain_s * BATCHES_PER_SECOND * 0.8))  # the last fifth is for the closing handshakes
    size = -(-len(told) // batches)
    deadline = now() + drain_s
    for start in range(0, len(told), max(1, size)):
        for connection in told[start : start + size]:
            _tell(connection, random)
        if start + size < len(told):
            await asyncio.sleep(1 / BATCHES_PER_SECOND)
    while connections or sockets.count:
        if now() >= deadline:
            break
        await asyncio.sleep(0.02)
    return DrainResult(len(told), sockets.count)


def _tell(connection: Connection, random: Random) -> None:
    if connection.is_open:
        connection.push(replies.reconnect("draining", random.randrange(AFTER_MS_MAX)))
        connection.transport.close(CloseCode.HANDED_OVER, "service restart")
