"""Leaves a server that the Sentinels no longer take for the primary, although it still answers as one.

In a split the old primary does not know that it was replaced. It takes writes that nobody will keep, or finds no
replica for them for as long as the split lasts.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from websocket_handler.adapters.valkey.link import Link
from websocket_handler.adapters.valkey.server import Server

INTERVAL_S: Final = 1.0


class PrimaryWatch:
    """Asks the Sentinels again and again."""

    def __init__(self, server: Server, links: Callable[[], Sequence[Link]]) -> None:
        """`links` gives all that lead to the primary."""
        self._server = server
        self._links = links

    async def run(self) -> None:
        """Ask once a second, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            await self.look()

    async def look(self) -> None:
        """Leave each server that is not the primary on which more than half of the Sentinels agree."""
        before = [(link, link.address) for link in self._links() if link.fault is None]
        primary = await self._server.agreed_primary()
        for link, address in before:
            if primary is not None and address != primary and (link.fault, link.address) == (None, address):
                link.drop(f"the Sentinels name {primary} as the primary, and no longer {address}")
