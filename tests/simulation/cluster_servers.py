"""The servers of a schedule: one alone, or a primary and its replica with Sentinels. They fail over, lag, restart."""

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Final

from tests.simulation.cluster_wires import Host, Network, ServerHost
from tests.support.valkey_model.keyspace import Args, Keyspace
from tests.support.valkey_model.replies import Push, Refused, Reply
from tests.support.valkey_model.server import Change, ModelServer
from tests.support.valkey_model.session import Session

SENTINELS: Final = "sentinels"
ADDRESS: Final = "address"
"""Leads to the server that Sentinels would name, as the address of a managed primary does."""
SAVE_INTERVAL_S: Final = 0.7
"""How much of its newest writes a server without a replica may lose when its machine fails."""


class Sentinels(Host):
    """Say who the primary is."""

    def __init__(self) -> None:
        super().__init__(SENTINELS)
        self.known = "a"

    def connected(self, write: Callable[[bytes], None], close: Callable[[], None]) -> Session:
        return Session(self._perform, write, close)

    def _perform(self, _session: Session, command: Args) -> Reply:
        if command[0].upper() != b"SENTINEL":
            raise Refused("ERR unknown command")
        return [self.known.encode(), b"6379"]


class Replication:
    """The way of changes from a primary to its replica. See `Feed`."""

    def __init__(self, servers: "Servers", primary: ModelServer, replica: ModelServer) -> None:
        self.acked = primary.offset
        self.is_over = False
        """True once the replica takes nothing from this primary any more."""
        self.is_stalled = False
        self._servers = servers
        self._primary = primary
        self._replica = replica
        self._changes: deque[tuple[int, Change]] = deque()
        self._arrived = 0
        """How many of them have arrived, and wait for the end of a stall."""

    def wrote(self, offset: int, change: Change) -> None:
        self._changes.append((offset, change))
        self._servers.network.loop.later(self._servers.lag_s(), self._arrive)

    def _arrive(self) -> None:
        self._arrived += 1
        self.go_on()

    def go_on(self) -> None:
        """The replica makes the changes that have arrived."""
        while self._arrived and not self.is_stalled and not self.is_over:
            self._arrived -= 1
            offset, change = self._changes.popleft()
            self._replica.apply(offset, change)
            self._servers.network.loop.later(self._servers.lag_s(), self._acknowledge, offset)

    def _acknowledge(self, offset: int) -> None:
        if not self.is_over and not self.is_stalled:
            self.acked = max(self.acked, offset)
            self._primary.acknowledged()

    @property
    def is_level(self) -> bool:
        """True if the replica has everything."""
        return not self._changes and self.acked >= self._primary.offset


class Servers:
    """One server called `a`, or two called `a` and `b`. Faults begin and end here."""

    def __init__(
        self,
        network: Network,
        random: Random,
        now_ms: Callable[[], float],
        count: int,
        lag_s: float,
        has_address: bool,
        trace: Callable[[str], None],
        taken_over: Callable[[Keyspace, Keyspace], None],
    ) -> None:
        """`lag_s` is about how long a change takes to the replica, and its acknowledgement back. If a pair
        `has_address`, that leads to its primary, and nodes know no Sentinels. `taken_over` is told what a server had
        before clients see another state, and what they see then."""
        self.network = network
        self._random = random
        self._lag_s = lag_s
        self._has_address = has_address
        self._trace = trace
        self._taken_over = taken_over
        self.is_calm = False
        self.is_split = False
        """True while both servers are primaries."""
        self.deaf = 0.0
        """The chance that a message does not reach a subscriber."""
        self._sentinels = Sentinels()
        network.hosts[SENTINELS] = self._sentinels
        self._hosts: dict[str, ServerHost] = {}
        for name in ("a", "b")[:count]:
            server = ModelServer(now_ms, network.loop.later, self._new_id)
            server.is_told = self._is_told
            self._hosts[name] = network.hosts[name] = ServerHost(name, server)
        network.hosts[ADDRESS] = self._hosts["a"]
        self._name = "a"
        self._replication: Replication | None = None
        self._saved: Keyspace | None = None
        self._now_ms = now_ms
        if count == 2:
            self.other.server.is_primary = False
            self._attach()

    def _new_id(self) -> str:
        return f"{self._random.getrandbits(160):040x}"

    def _is_told(self, _session: Session, _message: Push) -> bool:
        return self._random.random() >= self.deaf

    def lag_s(self) -> float:
        """How long the next change or acknowledgement takes."""
        return self._random.uniform(0.5, 1.5) * (0.0005 if self.is_calm else self._lag_s)

    @property
    def primary(self) -> ServerHost:
        """The server that the Sentinels take for the primary."""
        return self._hosts[self._name]

    @property
    def other(self) -> ServerHost:
        """The other one of two."""
        return self._hosts["b" if self._name == "a" else "a"]

    @property
    def is_pair(self) -> bool:
        """True if there are two."""
        return len(self._hosts) == 2

    @property
    def url(self) -> str:
        """What a node is given as its `VALKEY_URL`."""
        return f"redis://{SENTINELS}?sentinel=main" if self.is_pair and not self._has_address else f"redis://{ADDRESS}"

    @property
    def models(self) -> dict[str, ModelServer]:
        """The servers by their names."""
        return {name: host.server for name, host in self._hosts.items()}

    # Replication

    def _attach(self) -> None:
        """The other server becomes the replica of the primary, and gets everything that it has."""
        primary, replica = self.primary.server, self.other.server
        self._detach()
        replica.demote(primary)
        self._replication = Replication(self, primary, replica)
        primary.feeds.append(self._replication)

    def _detach(self) -> None:
        if self._replication is not None:
            self._replication.is_over = True
        for host in self._hosts.values():
            host.server.feeds.clear()
        self._replication = None

    def _swap(self) -> None:
        """The other server becomes the primary; the Sentinels may say so a little late."""
        self._taken_over(self.primary.server.keys, self.other.server.keys)
        self._detach()
        self._name = self.other.name
        self.primary.server.promote()
        self._trace(f"{self._name} is the primary")
        self.network.loop.later(self._random.choice((0.0, 0.0, 0.5)), self._tell, self._name)

    def _tell(self, name: str) -> None:
        if name == self._name:
            self._sentinels.known = name
            self.network.hosts[ADDRESS] = self._hosts[name]

    # Faults. Each is over when its coroutine ends.

    async def graceful_failover(self, manner: str) -> None:
        """The two change their places, and nothing is lost. In the manner of a cluster each of them says
        `sunsubscribe`; or the old primary ends its connections; or it says nothing, and is deaf."""
        old = self.primary
        old.is_held = True
        replication = self._replication
        for _ in range(20):
            if replication is None or replication.is_level:
                break
            await asyncio.sleep(0.05)
        if replication is None or not replication.is_level:
            self._hold(old, is_held=False)
            return
        self._swap()
        self._attach()
        if manner == "sunsubscribe":
            for host in self._hosts.values():
                host.server.end_subscriptions()
        elif manner == "kill":
            self.network.close_all(old)
        self._hold(old, is_held=False)

    async def crash(self, lasts_s: float, *, is_silent: bool) -> None:
        """The primary's process or its machine fails. After a while the replica takes its place; later the old one
        comes back as a replica."""
        old = self.primary
        if is_silent:
            old.is_silent = True
        else:
            old.is_up = False
            self.network.close_all(old)
        await asyncio.sleep(self._random.uniform(0.5, 2.5))
        self._swap()
        await asyncio.sleep(lasts_s)
        old.is_up, old.is_silent = True, False
        old.server.scripts.clear()
        self.network.close_all(old)
        self._attach()
        self.network.release()

    async def split(self, lasts_s: float, *, is_noticed: bool) -> None:
        """The primary loses sight of the others, and goes on for the nodes that are connected to it. If it notices that
        its replica is gone, it says so to whoever asks."""
        old, replication = self.primary, self._replication
        if replication is None:
            return
        replication.is_stalled = True
        if is_noticed:
            old.server.feeds.clear()
        await asyncio.sleep(self._random.uniform(0.5, 2.5))
        feeds = list(old.server.feeds)
        self.is_split = True
        self._swap()
        old.server.feeds += feeds  # it still believes that it has a replica
        if self._random.random() < 0.5:
            self.network.close_all(old, 0.5)
        await asyncio.sleep(lasts_s)
        self._taken_over(old.server.keys, self.primary.server.keys)
        self._attach()
        self.is_split = False
        self.network.close_all(old, self._random.choice((0.0, 1.0)))

    async def stall_replication(self, lasts_s: float) -> None:
        """Nothing reaches the replica for a while."""
        if self._replication is not None:
            replication = self._replication
            replication.is_stalled = True
            await asyncio.sleep(lasts_s)
            replication.is_stalled = False
            replication.go_on()

    async def lose_replica(self, lasts_s: float) -> None:
        """The replica ends, and comes back later."""
        self._detach()
        await asyncio.sleep(lasts_s)
        self._attach()

    async def restart(self, lasts_s: float, keeps: str) -> None:
        """The primary ends and begins again at once, with everything, without its newest writes, or empty. A replica
        gets the same."""
        host, before = self.primary, Keyspace(self._now_ms)
        before.copy_from(host.server.keys)
        self._detach()
        host.is_up = False
        host.server.restart(keeps_data=keeps != "nothing")
        self.network.close_all(host)
        if keeps == "most" and self._saved is not None:
            host.server.keys.copy_from(self._saved)
        await asyncio.sleep(lasts_s)
        self._taken_over(before, host.server.keys)
        host.is_up = True
        host.server.is_loading = self._random.random() < 0.3
        if host.server.is_loading:
            await asyncio.sleep(1.0)
            host.server.is_loading = False
        if self.is_pair:
            self._attach()

    async def save(self) -> None:
        """Save every now and then what a restart may bring back. It goes on until cancelled."""
        while True:
            saved = Keyspace(self._now_ms)
            saved.copy_from(self.primary.server.keys)
            self._saved = saved
            await asyncio.sleep(SAVE_INTERVAL_S)

    async def stop_for(self, lasts_s: float) -> None:
        """The primary's process is stopped for a while: connections stay, and nobody gets an answer."""
        host = self.primary
        host.is_held = True
        await asyncio.sleep(lasts_s)
        self._hold(host, is_held=False)

    async def fill_up(self, lasts_s: float) -> None:
        """The primary has no memory for more."""
        server = self.primary.server
        server.maxmemory = 1
        await asyncio.sleep(lasts_s)
        server.maxmemory = 0

    def _hold(self, host: ServerHost, *, is_held: bool) -> None:
        host.is_held = is_held
        self.network.release()

    def forget_scripts(self) -> None:
        """Somebody flushes the scripts."""
        self.primary.server.scripts.clear()

    def calm(self) -> None:
        """From now on nothing is lost, and lags are short."""
        self.is_calm, self.deaf = True, 0.0
