"""The nodes that share a Valkey server: a hash from each node's id to when it was last announced."""

from collections.abc import Sequence
from typing import Final, cast

from websocket_handler.adapters.valkey.link import Link
from websocket_handler.adapters.valkey.server import Unreachable
from websocket_handler.ports.peers import PEER_LIFETIME_S, PeersUnavailable

KEY: Final = "ws:nodes"


class ValkeyPeers:
    """Announces nodes over a link."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def announce(self, node_id: str, now: float) -> Sequence[str]:
        """See the port."""
        try:
            await self._link.ask("HSET", KEY, node_id, round(now * 1000))
            seen = cast("dict[bytes, bytes]", await self._link.ask("HGETALL", KEY))
            alive: list[str] = []
            for name, at in seen.items():
                peer, is_alive = name.decode(), int(at) / 1000 > now - PEER_LIFETIME_S
                if not is_alive:
                    await self._link.ask("HDEL", KEY, peer)
                elif peer != node_id:
                    alive.append(peer)
        except Unreachable as error:
            raise PeersUnavailable(str(error)) from error
        return alive

    async def leave(self, node_id: str) -> None:
        """See the port."""
        try:
            await self._link.ask("HDEL", KEY, node_id)
        except Unreachable as error:
            raise PeersUnavailable(str(error)) from error
