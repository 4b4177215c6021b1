"""Log stores on real servers, as several nodes would have them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Final
from uuid import uuid4

from tests.support.clock import SteeredClock
from tests.support.patience import PATIENCE_S
from tests.support.ports_testing import Tasks
from tests.support.valkeys import Valkey
from websocket_handler.adapters.valkey.link import Link, LinkOptions
from websocket_handler.adapters.valkey.log_store import ValkeyLogOptions, ValkeyLogStore
from websocket_handler.adapters.valkey.scripts import load_commands
from websocket_handler.adapters.valkey.server import Server
from websocket_handler.ports.backoff import Backoff

PATIENT: Final = LinkOptions(timeout_s=PATIENCE_S, silent_s=PATIENCE_S)


class Logs:
    """Makes log stores, each with links of its own."""

    def __init__(self, clock: SteeredClock, tasks: Tasks) -> None:
        self._clock = clock
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self.running: list[asyncio.Task[None]] = []

    def link(self, server: Valkey, options: LinkOptions = PATIENT) -> Link:
        """A link that connects, and goes on until the test ends."""
        backoff = Backoff(Random(1).random, 0.001, 0.02)
        link = Link(Server(server.url), backoff, options, greeting=load_commands)
        self.running.append(self._loop.create_task(link.run()))
        return link

    def log(
        self, server: Valkey, options: ValkeyLogOptions | None = None, links: LinkOptions = PATIENT
    ) -> ValkeyLogStore:
        """The log store of one node."""
        commits, reads = self.link(server, links), self.link(server, links)
        return ValkeyLogStore(commits, reads, self._tasks.start, self._clock, lambda: uuid4().hex, options)


@asynccontextmanager
async def running_logs(clock: SteeredClock, tasks: Tasks) -> AsyncIterator[Logs]:
    """Log stores whose links end with the test."""
    logs = Logs(clock, tasks)
    try:
        yield logs
    finally:
        for task in logs.running:
            task.cancel()
        await asyncio.gather(*logs.running, return_exceptions=True)
