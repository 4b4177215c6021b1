"""Publishes updates from the queue, and holds those that the gateway could not publish yet."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from websocket_handler.delivery.held_updates import HeldUpdates, ReadUpdate
from websocket_handler.delivery.node import Node
from websocket_handler.ports.backoff import Backoff
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position
from websocket_handler.telemetry.counters import Counters

HOLD_MAX_S: Final = 600.0
"""After this time without success an update goes back into the queue, for another node: that costs one receive."""

Published = Callable[[ReadUpdate], None]
"""Called with an update that the log store has, or that every client got."""
Left = Callable[[ReadUpdate, str, CommandError], None]
"""Called with an update that stays in the queue, its outcome in the counters (`malformed`, `failed`) and the reason."""


class UpdatePublisher:
    """Tells of each update once what became of it: it was published, or it is left in the queue."""

    def __init__(self, node: Node, counters: Counters, backoff: Backoff, published: Published, left: Left) -> None:
        self._node = node
        self._counters = counters
        self._backoff = backoff
        self._published = published
        self._left = left
        self._held = HeldUpdates()
        self._is_held = asyncio.Event()
        """Set while something is held."""
        self._tries = 0
        """Attempts to publish what is held, since the last update that was published."""

    @property
    def held_count(self) -> int:
        """How many updates are held."""
        return len(self._held)

    def publish_in_turn(self, update: ReadUpdate) -> None:
        """Publish an update, behind those of its project that are held."""
        self._held.give_turn(update)
        if self._held.holds(update.publication.project_id):
            self._hold(update)
        else:
            self._publish(update)

    def _publish(self, update: ReadUpdate) -> None:
        """Publish an update; the answer decides if it is deleted."""
        try:
            if update.is_broadcast:
                self._node.broadcast(update.publication, partial(self._told, update))
            else:
                self._node.publish(update.publication, partial(self._answered, update))
        except CommandError as fault:
            self._refused(update, fault)

    def _answered(self, update: ReadUpdate, answer: Position | CommandError) -> None:
        if isinstance(answer, CommandError):
            self._refused(update, answer)
        else:
            self._done(update, "published")

    def _told(self, update: ReadUpdate, fault: CommandError | None) -> None:
        if fault is None:
            self._done(update, "broadcast")
        else:
            self._refused(update, fault)

    def _done(self, update: ReadUpdate, outcome: str) -> None:
        self._counters.updates[outcome] += 1
        self._tries = 0
        self._published(update)

    def _refused(self, update: ReadUpdate, fault: CommandError) -> None:
        """Hold the update if the gateway is to blame; leave it in the queue if its sender is."""
        if fault.retryable:
            self._hold(update)
        else:
            self._left(update, "malformed", fault)

    def _hold(self, update: ReadUpdate) -> None:
        if update.held_since is None:
            self._counters.updates["held"] += 1
        self._held.add(update, self._node.engine.clock.monotonic())
        self._is_held.set()

    async def try_again(self) -> None:
        """Publish what is held, with growing pauses, once the log store answers; until cancelled."""
        while True:
            await self._is_held.wait()
            self._tries += 1
            await asyncio.sleep(self._backoff.delay_s(self._tries))
            is_store_up = self._node.engine.store.failure() is None
            self._is_held.clear()
            for update in self._leave_old(self._held.take_all()):
                if is_store_up and not self._held.holds(update.publication.project_id):
                    self._publish(update)
                else:
                    self._hold(update)

    def _leave_old(self, held: Sequence[ReadUpdate]) -> list[ReadUpdate]:
        """Leave in the queue what was held for too long. The later numbers of its producer go with it: published now,
        they would be in the log before it. Returns the others."""
        oldest = self._node.engine.clock.monotonic() - HOLD_MAX_S
        left_producers: set[tuple[str, str]] = set()
        kept: list[ReadUpdate] = []
        for update in held:
            source = update.ordinal and (update.publication.project_id, update.ordinal.producer)
            is_old = update.held_since is not None and update.held_since < oldest
            if not is_old and source not in left_producers:
                kept.append(update)
                continue
            if source is not None:
                left_producers.add(source)
            self._left(update, "failed", _too_long())
        return kept


def _too_long() -> CommandError:
    return CommandError(ErrorCode.STORE_UNAVAILABLE, f"not published within {HOLD_MAX_S:.0f} s; another node may do it")
