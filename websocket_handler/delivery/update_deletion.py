"""What the node asks of the queue for the messages that it has received: to delete them once they are published, and to
hide them until then."""

import asyncio
from collections.abc import Sequence

from websocket_handler.delivery.queue_state import QueueState
from websocket_handler.delivery.updates_under_way import UpdatesUnderWay
from websocket_handler.ports.update_source import SourceUnavailable, UpdateSource
from websocket_handler.telemetry.events import Report


class UpdateDeletion:
    """Deletes what is published, in batches, and keeps everything else that is under way hidden from other readers."""

    def __init__(self, source: UpdateSource, queue: QueueState, under_way: UpdatesUnderWay, report: Report) -> None:
        self._source = source
        self._queue = queue
        self._under_way = under_way
        self._report = report

    async def delete(self) -> None:
        """Delete what is published, until cancelled."""
        while True:
            await self._under_way.has_published.wait()
            handles = self._under_way.published_first(self._source.batch_messages_max)
            try:
                await self._source.delete(handles)
            except SourceUnavailable as fault:
                await self._queue.back_off(fault, is_deletion=True)
                continue
            self._queue.deleted()
            self._under_way.deleted(len(handles))

    async def extend(self) -> None:
        """Keep hidden what is under way while the log store is slow or down, until cancelled."""
        await self._queue.has_answered.wait()
        while True:
            await asyncio.sleep(self._source.hidden_s / 2)
            handles = self._under_way.handles
            count = self._source.batch_messages_max
            for start in range(0, len(handles), count):
                await self._extend_some(handles[start : start + count])

    async def _extend_some(self, handles: Sequence[str]) -> None:
        try:
            await self._source.extend(handles)
        except SourceUnavailable as fault:
            self._report("updates.extend_failed", {"reason": str(fault)})
