"""The other nodes that write to the same log store. A rolling deployment has some while old and new nodes overlap."""

from collections.abc import Sequence
from typing import Final, Protocol

PEER_LIFETIME_S: Final = 35.0
"""How long a node counts as alive after its last announcement."""


class PeersUnavailable(Exception):
    """The store of announcements does not answer. Nothing is lost: a node that writes finds out what others wrote."""


class Peers(Protocol):
    """Knows which other nodes write to the logs."""

    async def announce(self, node_id: str, now: float) -> Sequence[str]:
        """Say that this node lives. Returns the ids of the other nodes that do. `now` is wall-clock seconds.
        Idempotent. Raises PeersUnavailable."""
        ...

    async def leave(self, node_id: str) -> None:
        """Say that this node writes no more. Raises PeersUnavailable; then the others forget the node after its
        lifetime."""
        ...
