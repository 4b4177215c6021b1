"""What a node tells about itself, in the project `_node`: a report each second, and what operators do."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from websocket_handler.delivery.forwarding import Forwarding
from websocket_handler.delivery.node import Node
from websocket_handler.ports.clock import Clock
from websocket_handler.protocol.publication import read_object
from websocket_handler.telemetry.report import Reporter, State

REPORT_INTERVAL_S: Final = 1.0
LOOKS: Final = 5
"""How often between two reports the node looks how late it is."""


class OwnLog:
    """Writes the log of one node. Nothing of it is kept when the process ends."""

    def __init__(
        self,
        node: Node,
        forwarding: Forwarding,
        node_id: str,
        clock: Clock,
        is_draining: Callable[[], bool],
        memory_bytes: Callable[[], int],
        cpu_s: Callable[[], float],
    ) -> None:
        self._node = node
        self._forwarding = forwarding
        self._clock = clock
        self._is_draining = is_draining
        self._memory_bytes = memory_bytes
        self._reporter = Reporter(node_id, node.engine.counters, clock.monotonic(), cpu_s())
        self._cpu_s = cpu_s

    async def run(self) -> None:
        """Report once a second, until cancelled."""
        while True:
            lag_ms = tuple([await self._look() for _ in range(LOOKS)])
            self.report(lag_ms)

    async def _look(self) -> float:
        """Wait a while. Returns by how many milliseconds it took longer than that."""
        begun, pause_s = self._clock.monotonic(), REPORT_INTERVAL_S / LOOKS
        await asyncio.sleep(pause_s)
        return max(0.0, 1000 * (self._clock.monotonic() - begun - pause_s))

    def report(self, lag_ms: tuple[float, ...] = ()) -> None:
        """Tell how the node is."""
        node = self._node
        state = State(
            connections=len(node.connections),
            projects=len(node.projects),
            forwards_waiting=sum(self._forwarding.waiting.values()),
            is_draining=self._is_draining(),
            lag_ms=lag_ms,
            memory_bytes=self._memory_bytes(),
            cpu_s=self._cpu_s(),
        )
        node.tell(read_object(self._reporter.report(self._clock.monotonic(), state)))

    def acted(self, action: str, user_id: str, target: Mapping[str, object]) -> None:
        """Tell that an operator did something."""
        self._node.tell(
            read_object(msgspec.json.encode({"type": "action", "action": action, "user_id": user_id, **target}))
        )
