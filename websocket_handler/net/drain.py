"""Going away without a storm: every client is told when to come back, in paced batches, and none is cut off
with something unsent."""

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Final

from websocket_handler.delivery.connection import Connection
from websocket_handler.net.gate import Gate
from websocket_handler.protocol import replies
from websocket_handler.protocol.codes import CloseCode

BATCHES_PER_SECOND: Final = 10
AFTER_MS_MAX: Final = 1000
"""Clients of one batch come back spread over this time."""


@dataclass(frozen=True, slots=True)
class DrainResult:
    """How a drain went."""

    told: int
    left: int


async def hand_over(gate: Gate, drain_s: float, random: Random) -> DrainResult:
    """Tell all connections of the node to reconnect elsewhere, spread over `drain_s` seconds.

    New connections are refused by then. Returns when all are gone, or when the time is over.
    """
    connections = list(gate.server.node.connections.values())
    random.shuffle(connections)
    batches = max(1, int(drain_s * BATCHES_PER_SECOND * 0.8))  # the last fifth is for goodbyes
    size = -(-len(connections) // batches)
    deadline = gate.now() + drain_s
    for start in range(0, len(connections), max(1, size)):
        for connection in connections[start : start + size]:
            _tell(connection, random)
        if start + size < len(connections):
            await asyncio.sleep(1 / BATCHES_PER_SECOND)
    while gate.server.node.connections or gate.keepalive.count:
        if gate.now() >= deadline:
            break
        await asyncio.sleep(0.02)
    return DrainResult(len(connections), gate.keepalive.count)


def _tell(connection: Connection, random: Random) -> None:
    if connection.is_open:
        connection.push(replies.reconnect("draining", random.randrange(AFTER_MS_MAX)))
        connection.transport.close(CloseCode.SERVICE_RESTART, "service restart")
