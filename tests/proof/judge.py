"""`websocket-handler verify` as the judge of a proof: it runs beside the nodes, as an operator runs it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from tests.support.gateway import REPOSITORY
from tests.support.patience import PATIENCE_S

PUBLICATIONS_MAX: Final = 450_000
"""So many publications one run of `verify` may make."""
PROMISES: Final = ("lost", "doubled", "reordered", "forked", "false_recoveries")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What it found, as its JSON says it."""

    found: dict[str, Any]

    @property
    def broken(self) -> dict[str, int]:
        """The promises that were broken, and how often."""
        return {name: self.found[name] for name in PROMISES if self.found[name]}

    def __str__(self) -> str:
        found, recovery = self.found, self.found["recovery"]
        judged = ", ".join(f"{name} {found[name]}" for name in PROMISES)
        return (
            f"{found['seconds']:.0f} s, {found['clients']} clients: {judged}\n"
            f"  confirmed {found['confirmed']}, sent again {found['retries']}, never confirmed {found['unconfirmed']}, "
            f"deliveries {found['deliveries']}, resets {found['resets']}\n"
            f"  {found['reconnects']} reconnects, recovery p50 {recovery['p50_s']:.2f} s, "
            f"p99 {recovery['p99_s']:.2f} s, max {recovery['max_s']:.2f} s\n"
            f"  told: {found['refusals']}"
        )


@asynccontextmanager
async def judging(urls: Sequence[str], clients: int, rate: float) -> AsyncIterator[asyncio.subprocess.Process]:
    """`websocket-handler verify`, from the moment when all its clients are there."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "websocket_handler", "verify", *urls, "--json"),
        *("--clients", str(clients), "--rate", str(rate), "--duration", str(PUBLICATIONS_MAX / rate)),
        *("--settle", "60"),
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    reading = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for line in process.stderr:  # seconds, "s", live, reconnects, confirmed
                fields = line.split()
                if fields[1:2] == [b"s"] and int(fields[2]) == clients and int(fields[4]):
                    break
        reading = asyncio.create_task(_rows(process.stderr))
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        if reading is not None:
            await reading


async def _rows(table: asyncio.StreamReader) -> None:
    async for line in table:
        print(line.decode().rstrip(), file=sys.stderr, flush=True)


async def verdict(judge: asyncio.subprocess.Process) -> Verdict:
    """End its run, and wait for what it found."""
    assert judge.stdout is not None
    judge.send_signal(signal.SIGINT)
    found = json.loads(await judge.stdout.read())
    await judge.wait()
    return Verdict(found)
