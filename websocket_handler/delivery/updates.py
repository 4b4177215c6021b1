"""The updates queue: at least once in, once out.

A message is deleted only after the log store holds it, and its queue id is the publication's idempotency key,
so a message that comes again is not published again. A malformed one stays in the queue, whose rules say what becomes
of it.
"""

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from websocket_handler.delivery.node import Node
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.update_source import SourceUnavailable, Update, UpdateSource
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.update import ForEverybody, body_bytes_max, read_update
from websocket_handler.telemetry.counters import Counters

UNDER_WAY_MAX: Final = 500
"""Updates between receipt and deletion: beyond it nothing further is received."""
BACKOFF_BASE_S: Final = 0.1
BACKOFF_MAX_S: Final = 5.0

Report = Callable[[str, dict[str, object]], None]
"""Told of what an operator should read: an event name and its fields."""


class UpdateConsumer:
    """Publishes what agents leave in the updates queue."""

    def __init__(self, source: UpdateSource, node: Node, counters: Counters, random: Random, report: Report) -> None:
        self._source = source
        self._node = node
        self._counters = counters
        self._backoff = Backoff(random.random, BACKOFF_BASE_S, BACKOFF_MAX_S)
        self._report = report
        self._under_way: dict[str, Update] = {}
        self._published: list[str] = []
        self._room = asyncio.Event()
        self._room.set()
        self._has_published = asyncio.Event()
        self._failures = 0
        self._receiving: asyncio.Task[None] | None = None
        self._is_stopping = False
        self.fault: str | None = None

    @property
    def is_settled(self) -> bool:
        """Whether everything received was published and deleted, or given back."""
        return not self._under_way and not self._published

    async def run(self) -> None:
        """Receive, delete and extend until cancelled. What was not deleted then comes again, to whoever reads
        the queue next."""
        async with asyncio.TaskGroup() as tasks:
            self._receiving = tasks.create_task(self._receive())
            tasks.create_task(self._delete())
            tasks.create_task(self._extend())

    def stop_receiving(self) -> None:
        """Take nothing further from the queue; what was taken is published and deleted."""
        self._is_stopping = True
        if self._receiving is not None:
            self._receiving.cancel()

    async def _receive(self) -> None:
        while not self._is_stopping:
            await self._room.wait()
            try:
                updates = await self._source.receive()
            except SourceUnavailable as fault:
                await self._back_off(str(fault))
                continue
            self._failures, self.fault = 0, None
            for update in updates:
                self._take(update)

    async def _back_off(self, fault: str) -> None:
        if self.fault is None:
            self._report("updates.unavailable", {"reason": fault})
        self.fault = fault
        self._failures += 1
        await asyncio.sleep(self._backoff.delay_s(self._failures))

    def _take(self, update: Update) -> None:
        """Publish one update; its answer decides whether it is deleted."""
        self._under_way[update.handle] = update
        self._measure_room()
        try:
            self._publish(update)
        except CommandError as fault:
            self._refused(update, fault)

    def _publish(self, update: Update) -> None:
        self._check_size(update)
        found = read_update(update.body, update.attributes)
        if isinstance(found, ForEverybody):
            self._node.broadcast(self._node.prepare_broadcast(found.message))
            self._counters.updates["broadcast"] += 1
            self._forget(update, delete=True)
            return

        def done(answer: Position | CommandError) -> None:
            if isinstance(answer, CommandError):
                self._refused(update, answer)
            else:
                self._counters.updates["published"] += 1
                self._forget(update, delete=True)

        self._node.publish(
            self._node.prepare(found.message, found.project_id, f"{self._source.name}:{update.update_id}"), done
        )

    def _check_size(self, update: Update) -> None:
        """Raises CommandError with `message_too_large` if no object of a permitted size can be in the body: it is not
        even read then."""
        if len(update.body) > body_bytes_max(self._node.limits.message_bytes):
            raise CommandError(ErrorCode.MESSAGE_TOO_LARGE, f"the body has {len(update.body)} bytes")

    def _refused(self, update: Update, fault: CommandError) -> None:
        """Leave it in the queue: it comes again when it is no longer hidden, as often as the queue's rules allow."""
        outcome = "failed" if fault.retryable else "malformed"
        self._counters.updates[outcome] += 1
        fields: dict[str, object] = {"update_id": update.update_id, "code": fault.code.value, "reason": fault.message}
        self._report(f"update.{outcome}", fields)
        self._forget(update, delete=False)

    def _forget(self, update: Update, *, delete: bool) -> None:
        del self._under_way[update.handle]
        if delete:
            self._published.append(update.handle)
            self._has_published.set()
        self._measure_room()

    def _measure_room(self) -> None:
        """Receive on only while what was received and not yet deleted is within its maximum."""
        if len(self._under_way) + len(self._published) < UNDER_WAY_MAX:
            self._room.set()
        else:
            self._room.clear()

    async def _delete(self) -> None:
        while True:
            await self._has_published.wait()
            handles = self._published[: self._source.batch_messages_max]
            try:
                await self._source.delete(handles)
            except SourceUnavailable as fault:
                await self._back_off(str(fault))
                continue
            del self._published[: len(handles)]
            self._measure_room()
            if not self._published:
                self._has_published.clear()

    async def _extend(self) -> None:
        """While the log store is slow, keep what is under way hidden from other readers."""
        while True:
            await asyncio.sleep(self._source.hidden_s / 2)
            held = [*self._under_way, *self._published]
            count = self._source.batch_messages_max
            for start in range(0, len(held), count):
                await self._extend_some(held[start : start + count])

    async def _extend_some(self, handles: Sequence[str]) -> None:
        try:
            await self._source.extend(handles)
        except SourceUnavailable as fault:
            self._report("updates.extend_failed", {"reason": str(fault)})
