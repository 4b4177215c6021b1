"""Keeps the state store up to date with who is connected and follows what, off the hot path."""

import asyncio
from collections.abc import Callable
from typing import Final

from websocket_handler.delivery.connection import Connection
from websocket_handler.delivery.node import Node
from websocket_handler.ports.clock import Clock
from websocket_handler.ports.state_store import ConnectionRecord, StateStore, StateUnavailable

WRITE_INTERVAL_S: Final = 1.0
REFRESH_INTERVAL_S: Final = 6 * 3600.0
"""Records expire after a day; a live connection's is written again well before."""
BATCH_MAX: Final = 200
BACKOFF_MAX_S: Final = 30.0

Report = Callable[[str, dict[str, object]], None]


class StateRecorder:
    """Gathers what changed and writes it in batches. What could not be written stays gathered: it is bounded,
    because it holds one entry per connection."""

    def __init__(self, store: StateStore, node: Node, node_id: str, clock: Clock, report: Report) -> None:
        self._store = store
        self._node = node
        self._node_id = node_id
        self._clock = clock
        self._report = report
        self._changed: dict[str, None] = {}
        self._gone: dict[str, None] = {}
        self._recorded: set[str] = set()
        self._refreshed_at = clock.monotonic()
        self._writing = asyncio.Lock()
        self.fault: str | None = None

    def changed(self, connection: Connection) -> None:
        """The connection is new, or follows other projects than before."""
        if connection.is_open:
            self._changed[connection.connection_id] = None

    def gone(self, connection: Connection) -> None:
        """The connection ended."""
        self._changed.pop(connection.connection_id, None)
        if connection.connection_id in self._recorded:
            self._gone[connection.connection_id] = None

    async def run(self) -> None:
        """Write once a second while there is something to write, until cancelled."""
        failures = 0
        while True:
            await asyncio.sleep(min(BACKOFF_MAX_S, WRITE_INTERVAL_S * 2 ** min(failures, 5)))
            self._refresh()
            async with self._writing:
                failures = 0 if await self._write_gathered() else failures + 1

    def _refresh(self) -> None:
        now = self._clock.monotonic()
        if now - self._refreshed_at >= REFRESH_INTERVAL_S:
            self._refreshed_at = now
            self._changed.update(dict.fromkeys(self._node.connections))

    async def write(self) -> bool:
        """Write everything gathered; whether that worked. A node that stops calls this beside `run`, and the
        store takes one write at a time."""
        async with self._writing:
            while self._changed or self._gone:
                if not await self._write_gathered():
                    return False
        return True

    async def _write_gathered(self) -> bool:
        """One pass over what is gathered now. What comes meanwhile waits for the next pass, so that clients who
        come and go cost what is open at one moment of each second, not a write each."""
        changed_ids, gone_ids = list(self._changed), list(self._gone)
        for start in range(0, max(len(changed_ids), len(gone_ids)), BATCH_MAX):
            batch = slice(start, start + BATCH_MAX)
            changed = [self._record(connection_id) for connection_id in changed_ids[batch]]
            records = [record for record in changed if record is not None]
            gone = gone_ids[batch]
            self._recorded.update(record.connection_id for record in records)
            try:
                await self._store.write(records, gone, self._clock.wall())
            except StateUnavailable as fault:
                if self.fault is None:
                    self._report("state.unavailable", {"reason": str(fault)})
                self.fault = str(fault)
                return False
            self.fault = None
            self._written(records, gone)
        return True

    def _record(self, connection_id: str) -> ConnectionRecord | None:
        connection = self._node.connections.get(connection_id)
        if connection is None:
            self._changed.pop(connection_id, None)
            return None
        subscriptions = {project_id: cursor.since for project_id, (_, cursor) in connection.subscriptions.items()}
        return ConnectionRecord(connection_id, self._node_id, connection.connected_at, subscriptions)

    def _written(self, records: list[ConnectionRecord], gone: list[str]) -> None:
        for record in records:
            current = self._record(record.connection_id)
            if current is None or current.subscriptions == record.subscriptions:
                self._changed.pop(record.connection_id, None)
        for connection_id in gone:
            self._gone.pop(connection_id, None)
            self._recorded.discard(connection_id)
