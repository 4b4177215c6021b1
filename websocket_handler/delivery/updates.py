"""The updates queue: at least once in, once out.

A message is deleted only after the log store holds it, and its queue id is the publication's idempotency key,
so a message that comes again is not published again. A malformed one stays in the queue, whose rules say what becomes
of it.

Updates with `producer` and `sequence` wait for each other if the queue mixes them: `update_order`.

Those rules count receives, and no receive can be taken back. So an outage of ours must not cost any: while the log
store is down nothing is received, and what was received before stays hidden and is tried again.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Final

from websocket_handler.delivery.held_updates import HeldUpdates, ReadUpdate
from websocket_handler.delivery.node import Node
from websocket_handler.delivery.update_order import UpdateOrder
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.update_source import SourceUnavailable, SourceUnusable, Update, UpdateSource
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.update import ForEverybody, body_bytes_max, read_update
from websocket_handler.telemetry.counters import Counters

UNDER_WAY_MAX: Final = 500
"""Updates between receipt and deletion: beyond it nothing further is received. Those that wait for others do not count:
they have their own maxima (`OrderLimits`), and what they wait for has to be received."""
UNDER_WAY_BYTES_MAX: Final = 16_777_216
"""The same for their bytes; the last batch may exceed it."""
BACKOFF_BASE_S: Final = 0.1
BACKOFF_MAX_S: Final = 5.0
OPERATORS_PAUSE_S: Final = 10.0
"""How often a queue is asked that only an operator can make usable."""
STORE_LOOK_S: Final = 1.0
"""How often a paused consumer looks if the log store is back."""
HOLD_MAX_S: Final = 600.0
"""After this time without success an update goes back into the queue, for another node: that costs one receive."""

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
        self._under_way: dict[str, ReadUpdate] = {}
        """What was received and is neither published nor left, by handle; those in `_held` and `_order` are among
        them."""
        self._under_way_bytes = 0
        self._held = HeldUpdates()
        self._order = UpdateOrder(node, counters, report, self._publish_in_turn)
        self._is_held = asyncio.Event()
        """Set while something is held."""
        self._tries = 0
        """Attempts to publish what is held, since the last update that was published."""
        self._has_received = asyncio.Event()
        """Set by the first answer of the queue: from then on it is known how long it hides a message."""
        self._published: list[str] = []
        """The handles of what was published and is not deleted yet."""
        self._room = asyncio.Event()
        self._room.set()
        self._has_published = asyncio.Event()
        self._failures = 0
        self._receiving: asyncio.Task[None] | None = None
        self._is_stopping = False
        self.fault: str | None = None
        self._is_looked_up = False

    def failure(self) -> str | None:
        """Why updates do not come in at the moment, for `/ready`."""
        return self.fault or (None if self._is_looked_up else "not looked up yet")

    @property
    def is_settled(self) -> bool:
        """True when everything received was published and deleted, or left in the queue."""
        return not self._under_way and not self._published

    async def run(self) -> None:
        """Receive, publish, delete and extend until cancelled. What was not deleted then comes again, to whoever reads
        the queue next."""
        async with asyncio.TaskGroup() as tasks:
            self._receiving = tasks.create_task(self._receive())
            tasks.create_task(self._try_again())
            tasks.create_task(self._order.run(self._can_receive))
            tasks.create_task(self._delete())
            tasks.create_task(self._extend())

    def stop_receiving(self) -> None:
        """Take nothing further from the queue; what was taken is published and deleted. What waits for other updates is
        left in the queue, for the node that gets those."""
        self._is_stopping = True
        if self._receiving is not None:
            self._receiving.cancel()
        waiting = self._order.take_all()
        if waiting:
            self._report("updates.left", {"waiting": len(waiting)})
        for update in waiting:
            self._forget(update)

    # Receiving

    async def _receive(self) -> None:
        await self._node.engine.store.check()  # a node that starts during an outage must not spend receives
        while not self._is_stopping:
            await self._room.wait()
            await self._store_is_up()
            try:
                if not self._is_looked_up:
                    await self._source.check()
                    self._is_looked_up = True
                updates = await self._source.receive()
            except SourceUnavailable as fault:
                await self._back_off(fault)
                continue
            self._failures, self.fault = 0, None
            self._has_received.set()
            for update in updates:
                self._take(update)

    async def _store_is_up(self) -> None:
        """Return once the log store answers."""
        fault = self._node.engine.store.failure()
        if fault is None:
            return
        self._report("updates.paused", {"reason": fault, "held": len(self._held)})
        while self._node.engine.store.failure() is not None:  # noqa: ASYNC110 - the store tells nobody when it is back
            await asyncio.sleep(STORE_LOOK_S)
        self._report("updates.resumed", {"held": len(self._held)})

    def _can_receive(self) -> bool:
        return self.fault is None and self._room.is_set() and self._node.engine.store.failure() is None

    async def _back_off(self, fault: SourceUnavailable) -> None:
        if self.fault is None:
            self._report("updates.unavailable", {"reason": str(fault)})
        self.fault = str(fault)
        self._failures += 1
        is_operators = isinstance(fault, SourceUnusable)
        await asyncio.sleep(OPERATORS_PAUSE_S if is_operators else self._backoff.delay_s(self._failures))

    def _take(self, update: Update) -> None:
        """Read one message, and publish it unless it is malformed."""
        try:
            read = self._read(update)
        except CommandError as fault:
            self._report_left("malformed", update.update_id, fault)
            return
        self._under_way[read.handle] = read
        self._under_way_bytes += read.publication.size
        if read.ordinal is None or self._source.is_ordered:
            self._publish_in_turn(read)
        else:
            self._order.offer(read, self._source.hidden_s)
        self._measure_room()

    def _read(self, update: Update) -> ReadUpdate:
        """Raises CommandError if the message is malformed."""
        bytes_max = body_bytes_max(self._node.limits.message_bytes)
        if len(update.body) > bytes_max:
            raise CommandError(ErrorCode.MESSAGE_TOO_LARGE, f"a body has at most {bytes_max} bytes")
        found = read_update(update.body, update.attributes)
        if isinstance(found, ForEverybody):
            publication = self._node.prepare_broadcast(found.message)
            return ReadUpdate(update.update_id, update.handle, publication, is_broadcast=True)
        publication = self._node.prepare(found.message, found.project_id, f"{self._source.name}:{update.update_id}")
        return ReadUpdate(update.update_id, update.handle, publication, is_broadcast=False)

    # Publishing

    def _publish_in_turn(self, update: ReadUpdate) -> None:
        """Publish an update, behind those of its project that are held."""
        if self._held.holds(update.publication.project_id):
            self._hold(update)
        else:
            self._publish(update)

    def _publish(self, update: ReadUpdate) -> None:
        """Publish an update; the answer decides if it is deleted."""
        try:
            if update.is_broadcast:
                self._node.broadcast(update.publication)
                self._counters.updates["broadcast"] += 1
                self._done(update)
            else:
                self._node.publish(update.publication, partial(self._answered, update))
        except CommandError as fault:
            self._refused(update, fault)

    def _answered(self, update: ReadUpdate, answer: Position | CommandError) -> None:
        if isinstance(answer, CommandError):
            self._refused(update, answer)
        else:
            self._counters.updates["published"] += 1
            self._done(update)

    def _done(self, update: ReadUpdate) -> None:
        self._tries = 0
        self._order.answered(update)
        self._published.append(update.handle)
        self._has_published.set()
        self._forget(update)

    def _refused(self, update: ReadUpdate, fault: CommandError) -> None:
        """Hold the update if the gateway is to blame; leave it in the queue if its sender is."""
        if fault.retryable:
            self._hold(update)
        else:
            self._order.answered(update)
            self._leave("malformed", update, fault)

    def _hold(self, update: ReadUpdate) -> None:
        if update.held_since is None:
            self._counters.updates["held"] += 1
        self._held.add(update, self._node.engine.clock.monotonic())
        self._is_held.set()

    async def _try_again(self) -> None:
        """Publish what is held, with growing pauses, once the log store answers."""
        while True:
            await self._is_held.wait()
            self._tries += 1
            await asyncio.sleep(self._backoff.delay_s(self._tries))
            is_store_up = self._node.engine.store.failure() is None
            oldest = self._node.engine.clock.monotonic() - HOLD_MAX_S
            self._is_held.clear()
            for update in self._held.take_all():
                if update.held_since is not None and update.held_since < oldest:
                    self._order.given_up(update)
                    self._leave("failed", update, _too_long())
                elif is_store_up and not self._held.holds(update.publication.project_id):
                    self._publish(update)
                else:
                    self._hold(update)

    def _leave(self, outcome: str, update: ReadUpdate, fault: CommandError) -> None:
        """Leave an update in the queue: it comes again when it is no longer hidden."""
        self._report_left(outcome, update.update_id, fault)
        self._forget(update)

    def _report_left(self, outcome: str, update_id: str, fault: CommandError) -> None:
        self._counters.updates[outcome] += 1
        fields: dict[str, object] = {"update_id": update_id, "code": fault.code.value, "reason": fault.message}
        self._report(f"update.{outcome}", fields)

    def _forget(self, update: ReadUpdate) -> None:
        del self._under_way[update.handle]
        self._under_way_bytes -= update.publication.size
        self._measure_room()

    def _measure_room(self) -> None:
        """Receive on only while what was received and not yet deleted is within its maxima."""
        count = len(self._under_way) - self._order.count + len(self._published)
        size = self._under_way_bytes - self._order.bytes
        if count < UNDER_WAY_MAX and size < UNDER_WAY_BYTES_MAX:
            self._room.set()
        else:
            self._room.clear()

    # Deleting and extending

    async def _delete(self) -> None:
        while True:
            await self._has_published.wait()
            handles = self._published[: self._source.batch_messages_max]
            try:
                await self._source.delete(handles)
            except SourceUnavailable as fault:
                await self._back_off(fault)
                continue
            del self._published[: len(handles)]
            self._measure_room()
            if not self._published:
                self._has_published.clear()

    async def _extend(self) -> None:
        """While the log store is slow or down, keep what is under way hidden from other readers."""
        await self._has_received.wait()
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


def _too_long() -> CommandError:
    return CommandError(ErrorCode.STORE_UNAVAILABLE, f"not published within {HOLD_MAX_S:.0f} s; another node may do it")
