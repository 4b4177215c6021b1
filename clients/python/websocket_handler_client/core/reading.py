"""Several readers of one project: each has its own place, and the client subscribes once, at the oldest of them."""

from collections.abc import Sequence
from typing import Any

from websocket_handler_client.core.position import Position
from websocket_handler_client.core.update import Update


class Place:
    """Where one reader stands. It keeps the parts of its position apart, because it moves with every update."""

    __slots__ = ("_epoch", "_offset", "rewind", "wants_snapshot")

    def __init__(
        self, position: Position | None = None, rewind: int | None = None, *, wants_snapshot: bool = False
    ) -> None:
        self._epoch: str | None = None
        self._offset = 0
        self.position = position
        self.rewind = rewind
        """How many publications before the head it wishes to begin. A position of another reader counts more."""
        self.wants_snapshot = wants_snapshot
        """True if it begins with a snapshot unless it has a position, and again after a reset."""

    @property
    def position(self) -> Position | None:
        """Behind the last update that it got. None: it takes what comes."""
        return None if self._epoch is None else Position(self._epoch, self._offset)

    @position.setter
    def position(self, position: Position | None) -> None:
        if position is None:
            self._epoch, self._offset = None, 0
        else:
            self._epoch, self._offset = position.epoch, position.offset

    def has_part_of(self, update: Update) -> bool:
        """True if it got a part of a joined update already."""
        return self._epoch == update.epoch and update.first_offset <= self._offset < update.offset

    def takes(self, update: Update) -> bool:
        """Move behind an update. Returns False if the reader has it already."""
        if update.offset <= self._offset and self._epoch == update.epoch:
            return False
        self._epoch, self._offset = update.epoch, update.offset
        return True

    def is_void(self, begins: Position, asked: Position | None) -> bool:
        """Take a reset: the log goes on at `begins` although the client was at `asked`. Returns True unless it is only
        another reader who lost something, because this one stands further on in the same log."""
        place = self.position
        is_further = place is not None and place.epoch == begins.epoch and begins.offset <= place.offset
        if is_further and asked is not None and asked.epoch == begins.epoch and asked.offset < begins.offset:
            return False
        self.position = None if self.wants_snapshot else begins
        return True

    @property
    def awaits_snapshot(self) -> bool:
        """True while it gets nothing but the snapshot."""
        return self.wants_snapshot and self._epoch is None


def start_for(places: Sequence[Place]) -> dict[str, Any]:
    """What to ask the gateway for: a snapshot if a reader awaits one, else `since` the oldest position, else the
    longest `rewind`, else nothing. Positions of different epochs cannot be compared; then those of the first one's
    epoch count. A `from` beside `since` is for when the log cannot continue there."""
    wish = {"from": "snapshot"} if any(place.wants_snapshot for place in places) else {}
    if any(place.awaits_snapshot for place in places):
        return wish
    positions = [place.position for place in places if place.position is not None]
    if positions:
        alike = [position for position in positions if position.epoch == positions[0].epoch]
        return {"since": min(alike, key=lambda position: position.offset).as_field(), **wish}
    rewinds = [place.rewind for place in places if place.rewind is not None]
    return {"rewind": max(rewinds)} if rewinds else {}
