"""PURE: what a node tells about itself each second. The console's overview is made of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from websocket_handler.telemetry.counters import Counters


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A node at this moment. Everything in it is known without a look at each connection."""

    connections: int
    projects: int
    forwards_waiting: int
    is_draining: bool
    lag_ms: tuple[float, ...]
    """How late the node was, each time that it looked since the last report."""
    memory_bytes: int
    cpu_s: float
    """Seconds of processor time since the process began."""


class Reporter:
    """Makes the reports of one node. Each counts from the one before."""

    def __init__(self, node_id: str, counters: Counters, now: float, cpu_s: float) -> None:
        self._node_id = node_id
        self._counters = counters
        self._before = counters.copy()
        self._at = now
        self._cpu_s = cpu_s

    def report(self, now: float, state: State) -> bytes:
        """The report at a monotonic second, as JSON. Codes that were not counted are left out."""
        counted = self._counters.since(self._before)
        seconds, cpu_s = now - self._at, state.cpu_s - self._cpu_s
        self._before, self._at, self._cpu_s = self._counters.copy(), now, state.cpu_s
        outcomes = {"confirmed": 0, "failed": 0}
        for (_agent, outcome), count in counted.forwards.items():
            outcomes["confirmed" if outcome == "confirmed" else "failed"] += count
        return msgspec.json.encode(
            {
                "type": "node",
                "node_id": self._node_id,
                "seconds": round(seconds, 3),
                "connections": state.connections,
                "projects": state.projects,
                "draining": state.is_draining,
                "opened": counted.connections_opened,
                "closed": _counted(counted.connections_closed),
                "refused": _counted(counted.handshakes_refused),
                "publications": counted.publications,
                "deliveries": counted.deliveries,
                "forwards": outcomes["confirmed"],
                "forwards_failed": outcomes["failed"],
                "forwards_waiting": state.forwards_waiting,
                "errors": _counted(counted.errors),
                "slow": counted.slow_pauses,
                "resets": counted.subscription_resets,
                "lag_ms": [round(ms, 1) for ms in state.lag_ms],
                "memory_bytes": state.memory_bytes,
                "cpu_s": round(cpu_s, 4),
            }
        )


def _counted(values: Mapping[str, int]) -> dict[str, int]:
    return {code: count for code, count in values.items() if count}
