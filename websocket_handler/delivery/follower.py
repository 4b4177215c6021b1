"""Delivers what *other* nodes write to the same logs.

A node that writes finds out by itself: another node has taken the offset, and it reads what that node wrote. A node
that only has subscribers would not find out. So each node announces itself. While there is another node, each one reads
the ends of the logs that its clients follow, a limited number per second.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from math import ceil
from typing import Final

from websocket_handler.delivery.node import Node
from websocket_handler.logs.project import Project
from websocket_handler.ports.clock import Clock
from websocket_handler.ports.peers import PEER_LIFETIME_S, Peers, PeersUnavailable
from websocket_handler.protocol.codes import CommandError

ANNOUNCE_INTERVAL_S: Final = 10.0
FOLLOW_INTERVAL_S: Final = 1.0
READS_PER_INTERVAL_MAX: Final = 200
READS_UNDER_WAY_MAX: Final = 4
"""How many reads may be under way, however slow the store is. So this node leaves the store to its clients' reads."""


class Follower:
    """Announces this node, and reads what other nodes write while there are any."""

    def __init__(
        self,
        peers: Peers,
        node: Node,
        node_id: str,
        clock: Clock,
        is_deaf: Callable[[], bool] = lambda: True,
    ) -> None:
        """`is_deaf` returns False while other nodes tell this one what they write. Then each log is looked at once in
        ten seconds, in case that a message is lost."""
        self._is_deaf = is_deaf
        self._peers = peers
        self._node = node
        self._node_id = node_id
        self._clock = clock
        self._next = 0
        self._to_look_at: dict[Project, None] = {}
        """The projects whose turn has come, oldest first, each of them once. They wait while the store is slow."""
        self._looking: dict[Project, None] = {}
        """The projects whose read is under way."""
        self._follow_until = clock.monotonic() + PEER_LIFETIME_S
        """Until when to read on. A node that left, or whose announcement was lost, may have written shortly before."""
        self.others: tuple[str, ...] = ()
        self.is_announced = False
        """True once the other nodes can find this one."""
        self._is_look_wanted = False

    async def run(self) -> None:
        """Announce and follow until cancelled."""
        while True:
            await self.look_around()
            rounds = int(ANNOUNCE_INTERVAL_S / FOLLOW_INTERVAL_S)
            for _ in range(rounds):
                await asyncio.sleep(FOLLOW_INTERVAL_S)
                if self._clock.monotonic() < self._follow_until:
                    self.follow()
                if self._is_look_wanted:
                    break

    def look_soon(self) -> None:
        """Another node has started: look around within a second."""
        self._is_look_wanted = True

    async def look_around(self) -> None:
        """Announce this node, and learn which other nodes there are."""
        self._is_look_wanted = False
        try:
            self.others = tuple(await self._peers.announce(self._node_id, self._clock.wall()))
            self.is_announced = True
        except PeersUnavailable:
            return  # the log store reports the outage; the nodes that were known stay known
        finally:
            if self.others:
                self._follow_until = self._clock.monotonic() + PEER_LIFETIME_S

    def follow(self) -> None:
        """Read the ends of the followed logs, or of a tenth of all open ones unless this node is deaf. If there are too
        many, they take turns."""
        is_deaf = self._is_deaf()
        logs = self._node.projects.shared
        followed = [project for project in logs if (project.is_followed or not is_deaf) and project.reader.epoch]
        # opening a log reads its end, so a log that is being opened is left out
        if not followed:
            return
        share = len(followed) if is_deaf else ceil(len(followed) * FOLLOW_INTERVAL_S / ANNOUNCE_INTERVAL_S)
        count = min(share, READS_PER_INTERVAL_MAX)
        self._next %= len(followed)
        for project in islice(cycle(followed), self._next, self._next + count):
            if project not in self._looking:
                self._to_look_at[project] = None
        self._next += count
        self._look()

    def _look(self) -> None:
        while self._to_look_at and len(self._looking) < READS_UNDER_WAY_MAX:
            project = next(iter(self._to_look_at))
            del self._to_look_at[project]
            self._looking[project] = None
            project.journal.refresh(partial(self._looked, project))

    def _looked(self, project: Project, fault: CommandError | None) -> None:
        del self._looking[project]
        if fault is None:  # otherwise the store has to answer somebody first, or the node is going away
            self._look()

    async def leave(self) -> None:
        """Say that this node writes no more."""
        try:
            await self._peers.leave(self._node_id)
        except PeersUnavailable:
            return  # the others forget this node when its announcement expires
