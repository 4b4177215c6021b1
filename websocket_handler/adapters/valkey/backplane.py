"""Messages between nodes over sharded channels: one for each project, `ws:{project}`.

A message is the sender's node, the epoch and the head. A connection may live and yet hear nothing, after a failover for
example. So a node that has heard nothing for a while sends a message to itself, through the primary.
"""

import asyncio
from contextlib import suppress
from typing import Final, cast

import hiredis

from websocket_handler.adapters.valkey.connection import Reply, packed
from websocket_handler.adapters.valkey.link import Connects, Link, LinkOptions
from websocket_handler.adapters.valkey.server import ServerFacts, Unreachable
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.backplane import Heard

PROJECTS_MAX: Final = 20_000
"""How many projects are followed. One more, and the oldest one is let go: looks at the log still find its news."""
SUBSCRIBE_MAX: Final = 500
"""How many subscriptions one call asks for."""
SILENT_S: Final = 15.0
PROBE_TIMEOUT_S: Final = 5.0


class ValkeyBackplane:
    """Publishes over a link that writes, and listens over one of its own. A message that a replica takes reaches
    nobody. A link that writes finds that out; a node whose logs are elsewhere seldom writes, so this one also asks."""

    name = "valkey"

    def __init__(
        self,
        publisher: Link,
        server: Connects,
        backoff: Backoff,
        node_id: str,
        *,
        options: LinkOptions | None = None,
        projects_max: int = PROJECTS_MAX,
        silent_s: float = SILENT_S,
    ) -> None:
        """Every `silent_s` seconds this node asks if it still publishes at the primary. After so many seconds without a
        message it probes if it can hear."""
        self._publisher = publisher
        self._node_id = node_id
        self._projects_max = projects_max
        self._silent_s = silent_s
        self._followed: dict[str, None] = {}
        self._heard: Heard = lambda _project_id, _epoch, _head: None
        self._heard_at = 0.0
        self.link = Link(server, backoff, options, connected=self._connected, pushed=self._pushed)
        """The one that it listens on."""

    @staticmethod
    def channel(project_id: str) -> str:
        """The channel of a project, in the slot of its log."""
        return f"ws:{{{project_id}}}"

    @property
    def _own_channel(self) -> str:
        return f"ws:node:{{{self._node_id}}}"

    @property
    def followed(self) -> list[str]:
        """The projects that are followed, oldest first."""
        return list(self._followed)

    def failure(self) -> str | None:
        """See the port."""
        return self.link.fault

    # Following

    def follow(self, project_id: str) -> None:
        """See the port."""
        if project_id in self._followed:
            return
        if len(self._followed) >= self._projects_max:
            self.unfollow(next(iter(self._followed)))
        self._followed[project_id] = None
        if self.link.fault is None:
            self._subscribe([self.channel(project_id)])

    def unfollow(self, project_id: str) -> None:
        """See the port."""
        if project_id in self._followed:
            del self._followed[project_id]
            if self.link.fault is None:
                self._call("SUNSUBSCRIBE", [self.channel(project_id)])

    def _connected(self, _facts: ServerFacts) -> None:
        """Subscribe anew. Each confirmation makes a look at the log, so what was said meanwhile is found."""
        self._heard_at = asyncio.get_running_loop().time()
        channels = [self._own_channel, *map(self.channel, self._followed)]
        for first in range(0, len(channels), SUBSCRIBE_MAX):
            self._subscribe(channels[first : first + SUBSCRIBE_MAX])

    def _subscribe(self, channels: list[str]) -> None:
        self._call("SSUBSCRIBE", channels)

    def _call(self, command: str, channels: list[str]) -> None:
        """Confirmations are pushed, not replied. The PING behind them has a reply, so a call has one."""
        commands = [packed(command, channel) for channel in channels]
        self.link.call(b"".join(commands) + packed("PING"), 1, self._answered)

    def _answered(self, replies: object) -> None:
        if isinstance(replies, list) and isinstance(replies[0], hiredis.ReplyError):
            self.link.drop(f"the server refuses to subscribe: {replies[0]}")

    # Messages

    def announce(self, project_id: str, epoch: str, head: int) -> None:
        """See the port."""
        self._publish(self.channel(project_id), f"{self._node_id} {epoch} {head}")

    def _publish(self, channel: str, message: str) -> None:
        self._publisher.call(packed("SPUBLISH", channel, message), 1, _ignore)

    def _pushed(self, push: list[Reply]) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        kind, channel = push[0], cast("bytes", push[1]).decode()
        project_id = channel.removeprefix("ws:{").removesuffix("}")
        if project_id not in self._followed:
            return
        if kind == b"ssubscribe":
            self._heard(project_id, "", 0)
        elif kind == b"sunsubscribe":  # the server no longer has the slot: whoever has it now is found anew
            self.link.drop("the server ended a subscription")
        elif kind == b"smessage":
            node_id, epoch, head = cast("bytes", push[2]).decode().split(" ")
            if node_id != self._node_id:
                self._heard(project_id, epoch, int(head))

    async def run(self, heard: Heard) -> None:
        """See the port."""
        self._heard = heard
        listening = asyncio.create_task(self.link.run())
        try:
            while True:
                await asyncio.sleep(self._silent_s)
                with suppress(Unreachable):  # then the link connects again by itself
                    await self._publisher.refresh_facts()
                await self._probe()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _probe(self) -> None:
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        if self.link.fault is not None or asked_at - self._heard_at < self._silent_s:
            return
        self._publish(self._own_channel, "")
        await asyncio.sleep(PROBE_TIMEOUT_S)
        if self._heard_at < asked_at and self.link.fault is None and self._publisher.fault is None:
            self.link.drop("the server tells nothing any more")


def _ignore(_replies: object) -> None:
    """Nobody waits for it."""
