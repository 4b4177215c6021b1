"""The other nodes on the same log store: there are some during the overlap of a rolling deployment."""

from collections.abc import Sequence
from typing import Final, Protocol

PEER_LIFETIME_S: Final = 35.0
"""How long a node counts as alive after its last announcement."""


class PeersUnavailable(Exception):
    """Nobody can be asked at the moment. Nothing is lost: a node that writes finds out what others wrote."""


class Peers(Protocol):
    """Who else writes to the logs."""

    async def announce(self, node_id: str, now: float) -> Sequence[str]:
        """Say that this node lives; the ids of the others that do. `now` is wall-clock seconds. Idempotent.
        Raises PeersUnavailable."""
        ...

    async def leave(self, node_id: str) -> None:
        """This node writes no more. Raises PeersUnavailable, and then it is forgotten after its lifetime."""
        ...
