"""Makes what a node needs of one Valkey server: links, and the ports on top of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import SystemRandom
from typing import Final

from websocket_handler.adapters.valkey.backplane import ValkeyBackplane
from websocket_handler.adapters.valkey.directory import ValkeyDirectory
from websocket_handler.adapters.valkey.link import Link
from websocket_handler.adapters.valkey.log_store import ValkeyLogOptions, ValkeyLogStore
from websocket_handler.adapters.valkey.peers import ValkeyPeers
from websocket_handler.adapters.valkey.primary_watch import PrimaryWatch
from websocket_handler.adapters.valkey.scripts import load_commands
from websocket_handler.adapters.valkey.server import Server
from websocket_handler.adapters.valkey.tickets import ValkeyTickets
from websocket_handler.adapters.valkey.url import read_url
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.clock import Clock, StartTask

RECONNECT_BASE_S: Final = 0.1
RECONNECT_MAX_S: Final = 5.0
Keep = Callable[[str, Callable[[], Awaitable[None]]], None]
"""Keeps a named job running in the background."""


class SharedValkey:
    """One server, as one node uses it."""

    def __init__(self, url: str, node: str, keep: Keep, chance: Callable[[], float] | None = None) -> None:
        """`node` is an id that no other node has. `chance` gives numbers from 0 to 1, for the pauses before a new
        connection. Raises UnusableUrl."""
        address = read_url(url)
        self._server = Server(address)
        self._backoff = Backoff(chance or SystemRandom().random, RECONNECT_BASE_S, RECONNECT_MAX_S)
        self._keep = keep
        self._commits = self._link("valkey commits")
        self._reads: Link | None = None
        """Made for the first log store: a backplane alone needs none."""
        self.backplane = ValkeyBackplane(self._commits, self._server, self._backoff, node)
        self.peers = ValkeyPeers(self._commits)
        self.directory = ValkeyDirectory(self._commits)
        self.tickets = ValkeyTickets(self._commits)
        if address.sentinel:
            keep("valkey sentinels", PrimaryWatch(self._server, self._links).run)

    def _links(self) -> Sequence[Link]:
        links = (self._commits, self._reads, self.backplane.link)
        return [link for link in links if link is not None]

    def _link(self, name: str) -> Link:
        link = Link(self._server, self._backoff, greeting=load_commands)
        self._keep(name, link.run)
        return link

    def log_store(
        self, start: StartTask, clock: Clock, new_id: Callable[[], str], options: ValkeyLogOptions
    ) -> ValkeyLogStore:
        """Logs on this server, of which as much is kept as the options say."""
        tell = self.backplane.announce
        if self._reads is None:
            self._reads = self._link("valkey reads")
        return ValkeyLogStore(
            self._commits,
            self._reads,
            start,
            clock,
            new_id,
            options,
            lambda project_id: tell(project_id, "-", 0),
        )


async def probe(url: str) -> str:
    """Connect once, as a node does. Returns what the server is, in words. Raises UnusableUrl and Unreachable."""
    ended = asyncio.Event()
    connection, facts = await Server(read_url(url)).connect(lambda _push: None, lambda _reason: ended.set())
    connection.abort("not needed any more")
    await ended.wait()
    warning = "" if facts.eviction == "noeviction" else f"; maxmemory-policy is {facts.eviction}, so logs may vanish"
    return f"version {facts.version}, {facts.replicas} replicas{warning}"
