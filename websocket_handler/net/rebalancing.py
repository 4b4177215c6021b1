"""Moves the surplus of a node that has more clients than the others. A load balancer never moves an open connection, so
a node that started later stays cold.

Each node decides for itself, by how many connections every node has. It tells its surplus to come back, as in a
hand-over, and the load balancer sends them to whichever node has room.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from random import Random
from typing import Final

from websocket_handler.delivery.census import Census, Connections, NodeLoad
from websocket_handler.delivery.connection import Connection
from websocket_handler.net.drain import hand_over_some
from websocket_handler.protocol.codes import CommandError
from websocket_handler.telemetry.log import EventLog

SECONDS_MAX: Final = 3600.0
LOOK_INTERVAL_S: Final = 30.0
"""How often an automatic look is made; the first one gives a load balancer that long to find the new node."""
LOOKS: Final = 10
"""How many automatic looks follow the start of another node."""
TOLERANCE: Final = 0.2
"""Nobody is moved automatically while a node has less than this part more than its share."""
SURPLUS_MIN: Final = 10
"""Nobody is moved automatically for less than this."""
AUTOMATIC_S: Final = 60.0
"""Over how many seconds an automatic move is spread."""


def surplus_of(loads: Sequence[NodeLoad], node_id: str) -> tuple[int, int]:
    """How many connections a node has beyond its share, and what its share is. Nodes that drain do not count."""
    serving = [load for load in loads if not load.is_draining]
    own = next((load.connections for load in serving if load.node_id == node_id), 0)
    share = ceil(sum(load.connections for load in serving) / len(serving)) if serving else 0
    return max(0, own - share), share


@dataclass(frozen=True, slots=True)
class _Order:
    """Somebody wants the surplus to be moved, over so many seconds."""

    seconds: float
    is_automatic: bool


class Rebalancing:
    """One node's part in it."""

    def __init__(
        self,
        census: Census,
        connections: Mapping[str, Connection],
        node_id: str,
        now: Callable[[], float],
        random: Random,
        log: EventLog,
        *,
        is_automatic: bool = False,
    ) -> None:
        """`connections` are those of this node; `now` gives monotonic seconds."""
        self._census = census
        self._connections = connections
        self._node_id = node_id
        self._now = now
        self._random = random
        self._log = log
        self._is_automatic = is_automatic
        self._looks_left = 0
        self._order: _Order | None = None
        self._ordered = asyncio.Event()

    def order(self, seconds: float) -> None:
        """An operator wants this now. An order that is being carried out goes on; this one follows it."""
        self._order = _Order(min(max(seconds, 1.0), SECONDS_MAX), is_automatic=False)
        self._ordered.set()

    def met(self) -> None:
        """Another node has started."""
        if self._is_automatic:
            self._looks_left = LOOKS

    async def run(self) -> None:
        """Carry out orders, and look by itself for a while after another node has started. It goes on until
        cancelled."""
        while True:
            try:
                async with asyncio.timeout(LOOK_INTERVAL_S):
                    await self._ordered.wait()
            except TimeoutError:
                if not self._looks_left:
                    continue
                self._looks_left -= 1
                self._order = _Order(AUTOMATIC_S, is_automatic=True)
            self._ordered.clear()
            order, self._order = self._order, None
            if order is not None:
                await self._carry_out(order)

    async def _carry_out(self, order: _Order) -> None:
        surplus, share = await self._surplus()
        if order.is_automatic and surplus < max(SURPLUS_MIN, TOLERANCE * share):
            return
        chosen = self._random.sample(list(self._connections.values()), min(surplus, len(self._connections)))
        if not chosen:
            return
        self._log.emit("node.rebalancing", connections=len(self._connections), surplus=len(chosen), share=share)
        await hand_over_some(chosen, self._now, order.seconds, self._random)

    async def _surplus(self) -> tuple[int, int]:
        """What this node has too many; nothing while the other nodes cannot be asked."""
        found: asyncio.Future[Connections | CommandError] = asyncio.get_running_loop().create_future()
        self._census.connections("", 1, lambda answer: None if found.done() else found.set_result(answer))
        answer = await found
        return (0, 0) if isinstance(answer, CommandError) else surplus_of(answer.nodes, self._node_id)
