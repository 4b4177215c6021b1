"""The updates between receipt and deletion, and the room for further ones."""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from websocket_handler.delivery.held_updates import ReadUpdate

UNDER_WAY_MAX: Final = 500
"""Updates between receipt and deletion: beyond it nothing further is received. Those that wait for others do not count:
they have their own maxima (`OrderLimits`), and what they wait for has to be received."""
UNDER_WAY_BYTES_MAX: Final = 16_777_216
"""The same for their bytes; the last batch may exceed it."""


class Waiting(Protocol):
    """The updates under way that wait for others (`update_order`)."""

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    @property
    def bytes(self) -> int:
        """How many bytes they have together."""
        ...


class UpdatesUnderWay:
    """Each update is here from its receipt until its message was deleted, or was left in the queue."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._unpublished: dict[str, ReadUpdate] = {}
        """What is neither published nor left, by handle."""
        self._unpublished_bytes = 0
        self._published: list[str] = []
        """The handles of what was published and is not deleted yet."""
        self.has_published = asyncio.Event()
        """Set while something is published and not deleted yet."""
        self.has_room = asyncio.Event()
        """Set while there is room for further updates."""
        self.has_room.set()

    @property
    def is_empty(self) -> bool:
        """True when everything received was published and deleted, or left in the queue."""
        return not self._unpublished and not self._published

    @property
    def handles(self) -> list[str]:
        """The messages that have to stay hidden from other readers."""
        return [*self._unpublished, *self._published]

    def add(self, update: ReadUpdate) -> None:
        """An update was received. Call `measure_room` when it is known if it waits for others."""
        self._unpublished[update.handle] = update
        self._unpublished_bytes += update.publication.size

    def published(self, update: ReadUpdate) -> None:
        """An update was published: from now on its message waits for its deletion."""
        self._published.append(update.handle)
        self.has_published.set()
        self.left(update)

    def left(self, update: ReadUpdate) -> None:
        """An update will not be published by this node."""
        del self._unpublished[update.handle]
        self._unpublished_bytes -= update.publication.size
        self.measure_room()

    def published_first(self, count: int) -> Sequence[str]:
        """The handles of the messages that were published first, and wait for their deletion."""
        return self._published[:count]

    def deleted(self, count: int) -> None:
        """The messages that were published first were deleted."""
        del self._published[:count]
        self.measure_room()
        if not self._published:
            self.has_published.clear()

    def measure_room(self) -> None:
        """Set `has_room` while what was received and not yet deleted is within its maxima."""
        count = len(self._unpublished) - self._waiting.count + len(self._published)
        size = self._unpublished_bytes - self._waiting.bytes
        if count < UNDER_WAY_MAX and size < UNDER_WAY_BYTES_MAX:
            self.has_room.set()
        else:
            self.has_room.clear()
