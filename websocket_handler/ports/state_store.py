"""Who is connected and follows what, written down where other services can see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ConnectionRecord:
    """One live connection. Times are wall-clock seconds; `subscriptions` maps project to when it began."""

    connection_id: str
    node_id: str
    connected_at: float
    subscriptions: Mapping[str, float]


class StateUnavailable(Exception):
    """The store did not take a write. What it missed is written again with the next one."""


class StateStore(Protocol):
    """Records connections and subscriptions, off the hot path. Records expire on their own when a node dies."""

    name: str
    """What `/ready` calls it."""

    async def write(self, changed: Sequence[ConnectionRecord], gone: Sequence[str], now: float) -> None:
        """Record these connections as they are now, and forget those that are `gone`. Idempotent.
        `now` is wall-clock seconds. Raises StateUnavailable, and then everything may be repeated."""
        ...
