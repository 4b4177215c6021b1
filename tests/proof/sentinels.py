"""Three nodes that find their primary through Sentinels: it is killed, and changes places with its replica, again and
again, and every promise is kept.

Run alone: python -m tests.proof.sentinels --failovers 6
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from redis.exceptions import RedisError

from demo.resources import create_resources
from demo.testing import running_emulator
from tests.proof.cluster import running_nodes
from tests.proof.command import run_alone
from tests.proof.judge import Verdict, judging, verdict
from tests.proof.valkey_pair import KEEPS
from tests.support.patience import PATIENCE_S
from tests.support.proxies import free_port
from tests.support.valkeys import NEWEST, Valkey, binary_of, running_valkey, tell

SENTINELS: Final = 3
CALM_S: Final = 2.0
"""Between two failovers, once the new primary has a replica."""
CONFIGURATION: Final = """
port {port}
bind 127.0.0.1
dir {folder}
sentinel monitor main 127.0.0.1 {primary} 2
sentinel down-after-milliseconds main 1000
sentinel failover-timeout main 5000
"""


@dataclass(frozen=True, slots=True)
class SentinelReport:
    """How often the primary changed, and what the judge found."""

    orders: int
    kills: int
    verdict: Verdict

    def __str__(self) -> str:
        return f"{self.orders} failovers by order, {self.kills} primaries killed; {self.verdict}"


async def prove_sentinels(failovers: int, clients: int, rate: float) -> SentinelReport:
    """Fail over `failovers` times: by order, and by a kill, in turns."""
    async with AsyncExitStack() as ends:
        emulator = ends.enter_context(running_emulator())
        servers = [ends.enter_context(running_valkey(NEWEST, *KEEPS)) for _ in range(2)]
        await tell(servers[1].port, "REPLICAOF", "127.0.0.1", servers[0].port)
        ports = [ends.enter_context(running_sentinel(servers[0].port)) for _ in range(SENTINELS)]
        await has_replica(ports[0], servers[0].port)
        url = f"redis://{','.join(f'127.0.0.1:{port}' for port in ports)}?sentinel=main"
        resources = create_resources(emulator.url)
        nodes = await ends.enter_async_context(running_nodes(resources, "valkey", url))
        judge = await ends.enter_async_context(judging([node.url for node in nodes], clients, rate))
        for number in range(failovers):
            await _fail_over(servers, ports[0], is_killed=number % 2 == 1)
            print(f"{number + 1}/{failovers}", file=sys.stderr, flush=True)
            await asyncio.sleep(CALM_S)
        found = await verdict(judge)
    return SentinelReport((failovers + 1) // 2, failovers // 2, found)


async def _fail_over(servers: Sequence[Valkey], sentinel: int, *, is_killed: bool) -> None:
    """Let the Sentinels make the other server the primary, and wait until it has a replica."""
    old = await primary(sentinel)
    server = next(each for each in servers if each.port == old)
    if is_killed:
        server.stop()
    else:
        await tell(sentinel, "SENTINEL", "FAILOVER", "main")
    async with asyncio.timeout(PATIENCE_S):
        while (new := await primary(sentinel)) == old:  # noqa: ASYNC110 - a Sentinel tells nobody
            await asyncio.sleep(0.1)
    if is_killed:
        server.start()
    await has_replica(sentinel, new)


async def primary(sentinel: int) -> int:
    """The port of the server that a Sentinel names."""
    named = await tell(sentinel, "SENTINEL", "get-master-addr-by-name", "main")
    return int(named[1])


async def has_replica(sentinel: int, port: int) -> None:
    """Wait until a server is a primary with a replica, and the Sentinel and two others know both."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                known = await tell(sentinel, "SENTINEL", "MASTER", "main")
                facts = dict(zip(known[::2], known[1::2], strict=True)) if isinstance(known, list) else known
                said = await tell(port, "INFO", "replication")
            except (RedisError, OSError):
                said, facts = {}, {}
            others, replicas = int(facts.get("num-other-sentinels", 0)), int(facts.get("num-slaves", 0))
            if said.get("connected_slaves") == 1 and (others, replicas) == (SENTINELS - 1, 1):
                return
            await asyncio.sleep(0.1)


@contextmanager
def running_sentinel(primary_port: int) -> Iterator[int]:
    """A Sentinel that watches a primary, in a process of its own; yields its port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "sentinel.conf"
        configuration.write_text(CONFIGURATION.format(port=port, folder=folder, primary=primary_port), encoding="utf-8")
        command = [str(binary_of(NEWEST)), str(configuration), "--sentinel"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                yield port
            finally:
                process.kill()


if __name__ == "__main__":
    report = run_alone(prove_sentinels, failovers=6, clients=60, rate=50.0)
    sys.exit(bool(report.verdict.broken))
