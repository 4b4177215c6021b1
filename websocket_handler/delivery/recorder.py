"""Keeps the state store up to date: who is connected, and which projects each connection follows. It works away from
the hot path."""

import asyncio
from random import Random
from typing import Final

from websocket_handler.delivery.connection import Connection
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.clock import Clock
from websocket_handler.ports.state_store import ConnectionRecord, StatePostponed, StateStore, StateUnavailable
from websocket_handler.telemetry.events import Report

WRITE_INTERVAL_S: Final = 1.0
REFRESH_INTERVAL_S: Final = 6 * 3600.0
"""Records expire after a day. The record of a live connection is written again long before that."""
BATCH_MAX: Final = 200
RETRY_INTERVAL_MAX_S: Final = 30.0
"""The longest wait between two attempts while the store fails, or has more important things to do."""
GONE_MAX: Final = 100_000
"""How many ended connections may wait until their record is deleted. Beyond that, the oldest records are left to
expire."""


class StateRecorder:
    """Observes a node's connections, gathers what changed, and writes it in batches. A change that could not be written
    stays gathered: one entry for each open connection, and at most `GONE_MAX` for those that ended."""

    def __init__(self, store: StateStore, node_id: str, clock: Clock, random: Random, report: Report) -> None:
        self._store = store
        self._node_id = node_id
        self._clock = clock
        self._report = report
        self._backoff = Backoff(random.random, WRITE_INTERVAL_S, RETRY_INTERVAL_MAX_S)
        self._changed: dict[str, Connection] = {}
        """Open connections without a record in the store, or with one that is out of date."""
        self._gone: dict[str, None] = {}
        """The ids of ended connections that may have a record in the store."""
        self._recorded: dict[str, Connection] = {}
        """Open connections that may have a record in the store."""
        self._refreshed_at = clock.monotonic()
        self._writing = asyncio.Lock()
        self.fault: str | None = None

    def changed(self, connection: Connection) -> None:
        if connection.is_open:
            self._changed[connection.connection_id] = connection

    def gone(self, connection: Connection) -> None:
        self._changed.pop(connection.connection_id, None)
        if self._recorded.pop(connection.connection_id, None) is not None:
            self._gone[connection.connection_id] = None
            if len(self._gone) > GONE_MAX:
                del self._gone[next(iter(self._gone))]

    async def run(self) -> None:
        """Write once a second if there is anything to write, until cancelled. While writing fails, try less often."""
        failures = 0
        while True:
            await asyncio.sleep(max(WRITE_INTERVAL_S, self._backoff.delay_s(failures)))
            self._refresh()
            async with self._writing:
                failures = 0 if await self._write_gathered() else failures + 1

    def _refresh(self) -> None:
        now = self._clock.monotonic()
        if now - self._refreshed_at >= REFRESH_INTERVAL_S:
            self._refreshed_at = now
            self._changed.update(self._recorded)

    async def write(self) -> bool:
        """Write everything that is gathered. Returns False if the store could not take it. A node that stops calls this
        even while `run` is writing; the two take turns."""
        async with self._writing:
            while self._changed or self._gone:
                if not await self._write_gathered():
                    return False
        return True

    async def _write_gathered(self) -> bool:
        """Write everything that is gathered now. Later changes wait for the next call. So a client that comes and goes
        between two calls costs no write."""
        changed, gone_ids = list(self._changed.values()), list(self._gone)
        for start in range(0, max(len(changed), len(gone_ids)), BATCH_MAX):
            batch = slice(start, start + BATCH_MAX)
            live = [connection for connection in changed[batch] if connection.is_open]
            records = [self._record(connection) for connection in live]
            gone = gone_ids[batch]
            self._recorded.update((connection.connection_id, connection) for connection in live)
            try:
                await self._store.write(records, gone, self._clock.wall())
            except StatePostponed:
                return False
            except StateUnavailable as fault:
                if self.fault is None:
                    self._report("state.unavailable", {"reason": str(fault)})
                self.fault = str(fault)
                return False
            self.fault = None
            self._written(records, gone)
        return True

    def _record(self, connection: Connection) -> ConnectionRecord:
        subscriptions = {project_id: cursor.since for project_id, (_, cursor) in connection.subscriptions.items()}
        return ConnectionRecord(connection.connection_id, self._node_id, connection.connected_at, subscriptions)

    def _written(self, records: list[ConnectionRecord], gone: list[str]) -> None:
        for record in records:
            connection = self._changed.get(record.connection_id)  # None if the connection has ended meanwhile
            if connection is not None and self._record(connection).subscriptions == record.subscriptions:
                del self._changed[record.connection_id]
        for connection_id in gone:
            self._gone.pop(connection_id, None)
