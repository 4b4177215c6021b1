"""The updates queue: at least once in, once out.

A message is deleted only after the log store holds it, and its queue id is the publication's idempotency key,
so a message that comes again is not published again. A malformed one stays in the queue, whose rules say what becomes
of it.

Updates with `producer` and `sequence` wait for each other if the queue mixes them: `update_order`.

Those rules count receives, and no receive can be taken back. So an outage of ours must not cost any: while the log
store is down nothing is received, and what was received before stays hidden and is tried again (`update_publishing`).
"""

import asyncio
from random import Random
from typing import Final

from websocket_handler.delivery.held_updates import ReadUpdate
from websocket_handler.delivery.node import Node
from websocket_handler.delivery.queue_state import QueueState
from websocket_handler.delivery.update_deletion import UpdateDeletion
from websocket_handler.delivery.update_order import UpdateOrder
from websocket_handler.delivery.update_publishing import UpdatePublisher
from websocket_handler.delivery.updates_under_way import UpdatesUnderWay
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.update_source import SourceUnavailable, Update, UpdateSource
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.update import ForEverybody, body_bytes_max, read_update
from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.events import Report

BACKOFF_BASE_S: Final = 0.1
BACKOFF_MAX_S: Final = 5.0
STORE_LOOK_S: Final = 1.0
"""How often a paused consumer looks if the log store is back."""


class UpdateConsumer:
    """Receives what agents leave in the updates queue, and passes each update on to be published."""

    def __init__(self, source: UpdateSource, node: Node, counters: Counters, random: Random, report: Report) -> None:
        self._source = source
        self._node = node
        self._counters = counters
        self._report = report
        backoff = Backoff(random.random, BACKOFF_BASE_S, BACKOFF_MAX_S)
        self.queue = QueueState(backoff, report)
        self._publisher = UpdatePublisher(node, counters, backoff, self._published, self._left)
        self._order = UpdateOrder(node, counters, report, self._publisher.publish_in_turn)
        self._under_way = UpdatesUnderWay(self._order)
        self._deletion = UpdateDeletion(source, self.queue, self._under_way, report)
        self._receiving: asyncio.Task[None] | None = None
        self._is_stopping = False

    @property
    def is_settled(self) -> bool:
        """True when everything received was published and deleted, or left in the queue."""
        return self._under_way.is_empty

    async def run(self) -> None:
        """Receive, publish, delete and extend until cancelled. What was not deleted then comes again, to whoever reads
        the queue next."""
        async with asyncio.TaskGroup() as tasks:
            self._receiving = tasks.create_task(self._receive())
            tasks.create_task(self._publisher.try_again())
            tasks.create_task(self._order.run(self._can_receive))
            tasks.create_task(self._deletion.delete())
            tasks.create_task(self._deletion.extend())

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
            self._under_way.left(update)

    # Receiving

    async def _receive(self) -> None:
        await self._node.engine.store.check()  # a node that starts during an outage must not spend receives
        while not self._is_stopping:
            await self._under_way.has_room.wait()
            await self._store_is_up()
            try:
                if not self.queue.is_looked_up:
                    await self._source.check()
                    self.queue.is_looked_up = True
                updates = await self._source.receive()
            except SourceUnavailable as fault:
                await self.queue.back_off(fault)
                continue
            self.queue.answered()
            for update in updates:
                self._take(update)

    async def _store_is_up(self) -> None:
        """Return once the log store answers."""
        fault = self._node.engine.store.failure()
        if fault is None:
            return
        self._report("updates.paused", {"reason": fault, "held": self._publisher.held_count})
        while self._node.engine.store.failure() is not None:  # noqa: ASYNC110 - the store tells nobody when it is back
            await asyncio.sleep(STORE_LOOK_S)
        self._report("updates.resumed", {"held": self._publisher.held_count})

    def _can_receive(self) -> bool:
        is_store_up = self._node.engine.store.failure() is None
        return self.queue.fault is None and self._under_way.has_room.is_set() and is_store_up

    def _take(self, update: Update) -> None:
        """Read one message, and publish it unless it is malformed."""
        try:
            read = self._read(update)
        except CommandError as fault:
            self._tell_left("malformed", update.update_id, fault)
            return
        self._under_way.add(read)
        if read.ordinal is None or self._source.is_ordered:
            self._publisher.publish_in_turn(read)
        else:
            self._order.offer(read, self._source.hidden_s)
        self._under_way.measure_room()

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

    # What becomes of an update

    def _published(self, update: ReadUpdate) -> None:
        self._order.answered(update)
        self._under_way.published(update)

    def _left(self, update: ReadUpdate, outcome: str, fault: CommandError) -> None:
        """An update stays in the queue: it comes again when it is no longer hidden."""
        if outcome == "failed":
            self._order.given_up(update)
        else:
            self._order.answered(update)
        self._tell_left(outcome, update.update_id, fault)
        self._under_way.left(update)

    def _tell_left(self, outcome: str, update_id: str, fault: CommandError) -> None:
        self._counters.updates[outcome] += 1
        fields: dict[str, object] = {"update_id": update_id, "code": fault.code.value, "reason": fault.message}
        self._report(f"update.{outcome}", fields)
