"""The hand-over: the node tells its clients, in paced batches, when to come back, and serves each of them for a while
longer. So they do not all come back at once, a client opens its next connection before this one ends, and no client
loses what the node has already written to it."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol

from websocket_handler.delivery.connection import Connection
from websocket_handler.protocol import replies
from websocket_handler.protocol.codes import CloseCode

BATCHES_PER_SECOND: Final = 10
AFTER_MS_MAX: Final = 1000
"""The clients of one batch come back spread over this many milliseconds."""
TELLING_PART: Final = 0.8
"""The part of the drain during which clients are told."""
MOVING_PART: Final = 0.15
"""The part of the drain that a client has to move. The rest is for the closing handshakes of the last ones."""
MOVING_S_MAX: Final = 3.0

_LOOK_INTERVAL_S: Final = 0.02


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


def moving_s(drain_s: float) -> float:
    """How many seconds the node waits for a client that it has told to come back, before it closes the connection."""
    return min(MOVING_S_MAX, drain_s * MOVING_PART)


async def hand_over(
    connections: Mapping[str, Connection],
    sockets: Sockets,
    now: Callable[[], float],
    drain_s: float,
    random: Random,
) -> DrainResult:
    """Tell all connections of the node to reconnect elsewhere, spread over `drain_s` seconds, and close those that are
    still there `moving_s(drain_s)` later.

    The node already refuses new connections. `connections` are those of the node; a connection leaves the mapping when
    it ends. `now` gives monotonic seconds. Returns when all sockets are closed, or when the time is over.
    """
    everybody = list(connections.values())
    random.shuffle(everybody)
    waiting = _in_batches(everybody, max(1, int(drain_s * BATCHES_PER_SECOND * TELLING_PART)))
    moving: deque[tuple[float, list[Connection]]] = deque()
    turn = now()
    deadline = turn + drain_s
    while True:
        at = now()
        while waiting and turn <= at:
            batch = waiting.popleft()
            _tell(batch, "draining", random)
            moving.append((at + moving_s(drain_s), batch))
            turn += 1 / BATCHES_PER_SECOND
        while moving and (moving[0][0] <= at or deadline <= at):
            _close(moving.popleft()[1], "service restart")
        if deadline <= at or not (connections or sockets.count):
            return DrainResult(len(everybody), sockets.count)
        await asyncio.sleep(_LOOK_INTERVAL_S)


async def hand_over_some(
    chosen: Sequence[Connection], now: Callable[[], float], seconds: float, random: Random
) -> None:
    """Tell these clients of a node that goes on to reconnect, spread over so many seconds, and close those that are
    still there `MOVING_S_MAX` later. There is at least one. `now` gives monotonic seconds."""
    waiting = _in_batches(list(chosen), max(1, int(seconds * BATCHES_PER_SECOND)))
    pause_s = seconds / len(waiting)
    moving: deque[tuple[float, list[Connection]]] = deque()
    while waiting or moving:
        if waiting:
            batch = [connection for connection in waiting.popleft() if connection.is_open]
            _tell(batch, "rebalancing", random)
            moving.append((now() + MOVING_S_MAX, batch))
        while moving and moving[0][0] <= now():
            _close(moving.popleft()[1], "moved to another node")
        if waiting:
            await asyncio.sleep(pause_s)
        elif moving:
            await asyncio.sleep(max(0.0, moving[0][0] - now()))


def _in_batches(everybody: list[Connection], batches: int) -> deque[list[Connection]]:
    size = max(1, -(-len(everybody) // batches))
    return deque(everybody[start : start + size] for start in range(0, len(everybody), size))


def _tell(batch: list[Connection], reason: str, random: Random) -> None:
    for connection in batch:
        connection.push(replies.reconnect(reason, random.randrange(AFTER_MS_MAX)))


def _close(batch: list[Connection], reason: str) -> None:
    for connection in batch:
        if connection.is_open:
            connection.transport.close(CloseCode.HANDED_OVER, reason)
