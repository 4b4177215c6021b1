"""A primary and its replica behind one address, as a managed Valkey has them, and what goes wrong with them.

Whoever connects to the address reaches the server that is the primary now. The replica follows through a proxy, so that
a failover may lose what has not arrived there.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.support.fault_proxy import FaultProxy, Mode
from tests.support.patience import PATIENCE_S
from tests.support.valkeys import NEWEST, Valkey, running_valkey, tell

PROBE_S: Final = 0.05
KEEPS: Final = ("--appendonly", "yes", "--appendfsync", "always")
"""What a restart must not lose."""


class ValkeyPair:
    """Two servers, one of which is the primary. Each fault returns once the other server has everything again."""

    def __init__(self, primary: Valkey, other: Valkey, address: FaultProxy, replication: FaultProxy, random: Random):
        self.primary = primary
        self.other = other
        self._address = address
        self._replication = replication
        self._random = random

    @property
    def url(self) -> str:
        """The `VALKEY_URL` of nodes."""
        return f"redis://127.0.0.1:{self._address.port}"

    async def graceful_failover(self) -> None:
        """The two change their places, and lose nothing. Connections to the old primary stay open."""
        await tell(self.primary.port, "FAILOVER", "TO", "127.0.0.1", self.other.port, "TIMEOUT", 5000)
        await self._until(self.primary, "role", "slave")
        self._swap()
        await self.attach()

    async def lossy_failover(self) -> None:
        """The replica falls behind, and takes over when the primary is killed: what it lacks is lost."""
        self._replication.set(Mode.STALL)
        await asyncio.sleep(self._random.uniform(0.2, 1.5))
        self.primary.stop()
        self._replication.set(Mode.RESET)
        await tell(self.other.port, "REPLICAOF", "NO", "ONE")
        self._swap()
        await asyncio.sleep(self._random.uniform(0.0, 0.5))
        self.other.start()
        await self.attach()

    async def restart(self) -> None:
        """The primary is killed, and begins again with what it wrote to its disk."""
        self.primary.stop()
        await asyncio.sleep(self._random.uniform(0.0, 1.0))
        self.primary.start()
        await self.attach()

    async def pause(self) -> None:
        """The primary's process stops for some seconds. Connections stay, and nobody gets an answer."""
        assert self.primary.process is not None
        self.primary.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(self._random.uniform(1.0, 4.0))
        self.primary.process.send_signal(signal.SIGCONT)
        await self._until_level()

    async def forget_scripts(self) -> None:
        """Somebody flushes the scripts."""
        await tell(self.primary.port, "SCRIPT", "FLUSH")

    async def close_connections(self) -> None:
        """Somebody ends the connections of all clients, and of those who listen."""
        for kind in ("normal", "pubsub"):
            await tell(self.primary.port, "CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")

    async def attach(self) -> None:
        """The other server follows the primary, and gets everything that it has."""
        self._replication.lead_to(self.primary.port)
        self._replication.set(Mode.PASS)
        await tell(self.other.port, "REPLICAOF", "127.0.0.1", self._replication.port)
        await self._until_level()

    def _swap(self) -> None:
        self.primary, self.other = self.other, self.primary
        self._address.lead_to(self.primary.port)

    async def _until_level(self) -> None:
        await self._until(self.other, "master_link_status", "up")
        await self._until(self.primary, "connected_slaves", "1")

    async def _until(self, server: Valkey, field: str, wanted: str) -> None:
        """Wait until a server says this of its replication."""
        async with asyncio.timeout(PATIENCE_S), Redis(port=server.port, decode_responses=True) as client:
            while True:
                try:
                    said = await client.info("replication")
                except (RedisError, OSError):
                    said = {}
                if str(said.get(field)) == wanted:
                    return
                await asyncio.sleep(PROBE_S)


@asynccontextmanager
async def running_pair(seed: int) -> AsyncIterator[ValkeyPair]:
    """Two servers, of which the second one follows the first."""
    with running_valkey(NEWEST, *KEEPS) as one, running_valkey(NEWEST, *KEEPS) as two:
        async with FaultProxy(f"http://127.0.0.1:{one.port}") as address, FaultProxy("http://127.0.0.1:0") as feed:
            pair = ValkeyPair(one, two, address, feed, Random(seed))
            await pair.attach()
            yield pair
