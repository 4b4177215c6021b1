"""A record of every connection and its subscriptions, which other services can read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ConnectionRecord:
    """One live connection. Times are wall-clock seconds. `subscriptions` gives for each project when its subscription
    began."""

    connection_id: str
    node_id: str
    connected_at: float
    subscriptions: Mapping[str, float]


class StateUnavailable(Exception):
    """The store did not take a write. The next write repeats what is missing."""


class StatePostponed(Exception):
    """The store has something more important to do. The next write repeats what is missing."""


class StateStore(Protocol):
    """Records connections and subscriptions, away from the hot path. The records of a node that died expire on their
    own."""

    name: str
    """Its name in the answer of `/ready`."""

    async def write(self, changed: Sequence[ConnectionRecord], gone: Sequence[str], now: float) -> None:
        """Record these connections as they are now, and delete the records of those in `gone`. Idempotent. `now` is
        wall-clock seconds. Raises StateUnavailable or StatePostponed; then the caller may repeat everything."""
        ...
