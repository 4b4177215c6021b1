"""What one subscriber was told and shown, frame by frame, and which promises that breaks.

It sees every frame before anybody drops a double or waits for a gap to close. So it is no client that repairs what the
gateway did wrong: it counts it. It knows no clock and no socket.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, fields

from websocket_handler.cli.verify.ledger import FOREIGN, Ledger, Place


@dataclass(slots=True)
class Counts:
    """What happened to all subscribers. Each publication counts once for each subscriber."""

    deliveries: int = 0
    reconnects: int = 0
    resets: int = 0
    """How many times a subscriber was told that it cannot go on where it was: `recovered: false`."""
    skipped: int = 0
    """Confirmed publications that a subscriber did not get, because the log no longer reached back, and it was told."""
    lost: int = 0
    """Confirmed publications that a subscriber never got, and gaps that nobody told it of."""
    doubled: int = 0
    """Publications that a subscriber got a second time."""
    reordered: int = 0
    """Publications that a subscriber got after a later one, or at another place than their confirmation said."""
    false_recoveries: int = 0
    """`recovered: true`, and the subscription did not go on where the subscriber was."""

    def add(self, other: Counts) -> None:
        """Count what `other` has, too."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


class Life:
    """A time in which a subscriber's position went on without a break: reconnects do not end it, a reset does."""

    def __init__(self, start: Place, *, was_told: bool = False) -> None:
        self.was_told = was_told
        """True if the subscriber was told that this is not where it was before."""
        self.epoch = start.epoch
        self.start = start.offset
        self.last = start.offset
        self._holes: list[range] = []
        """Offsets up to `last` that did not come, in order."""

    def take(self, offset: int) -> bool:
        """A publication came. Returns True if it has not come before."""
        if offset > self.last:
            if offset > self.last + 1:
                self._holes.append(range(self.last + 1, offset))
            self.last = offset
            return True
        index = self._hole_at(offset)
        if index is None:
            return False
        hole = self._holes[index]
        rest = (range(hole.start, offset), range(offset + 1, hole.stop))
        self._holes[index : index + 1] = [part for part in rest if part]
        return True

    def has(self, place: Place) -> bool:
        """True if the publication at this place came."""
        return (
            place.epoch == self.epoch and self.start < place.offset <= self.last and self._hole_at(place.offset) is None
        )

    @property
    def holes(self) -> Iterator[range]:
        """The offsets that never came, although a later one did."""
        return iter(self._holes)

    def _hole_at(self, offset: int) -> int | None:
        index = bisect_right(self._holes, offset, key=lambda hole: hole.start) - 1
        return index if index >= 0 and offset in self._holes[index] else None


class Witness:
    """One subscriber of one project, from its first subscription to its last."""

    def __init__(self, ledger: Ledger, counts: Counts) -> None:
        self._ledger = ledger
        self._counts = counts
        self._lives: list[Life] = []
        self._has_just_recovered = False

    @property
    def position(self) -> Place | None:
        """Where it is, for `since`; None before its first subscription."""
        return Place(self._lives[-1].epoch, self._lives[-1].last) if self._lives else None

    @property
    def behind(self) -> int:
        """How many publications it is behind the last confirmed one; 0 as long as they have different epochs."""
        head, position = self._ledger.head, self.position
        if head is None or position is None or head.epoch != position.epoch:
            return 0
        return max(0, head.offset - position.offset)

    def has_reached(self, place: Place | None) -> bool:
        """True if it has everything up to a place of the log."""
        position = self.position
        return position is not None and (
            place is None or (position.epoch == place.epoch and position.offset >= place.offset)
        )

    def confirmed(self, place: Place, *, recovered: bool) -> None:
        """Its subscription was confirmed. It had asked for `position`, if it had one."""
        position = self.position
        if position is None:
            self._lives.append(Life(place))
        elif not recovered:
            self.reset(place)
        elif place == position:
            self._has_just_recovered = True
        else:
            self._lives.append(Life(place))
            self._has_just_recovered = place.offset == position.offset == 0  # an empty log may get another epoch
            self._counts.false_recoveries += not self._has_just_recovered

    def reset(self, place: Place) -> None:
        """It was told that it cannot go on where it was, and goes on elsewhere."""
        self._counts.resets += 1
        self._has_just_recovered = False
        self._lives.append(Life(place, was_told=True))

    def shown(self, offset: int, number: int) -> None:
        """A publication came; FOREIGN is the number of those of others."""
        if not self._lives:  # before any confirmation: nobody can say what it continues
            self._counts.reordered += 1
            return
        self._counts.deliveries += 1
        life = self._lives[-1]
        is_next, is_later = offset == life.last + 1, offset > life.last
        if self._has_just_recovered and is_later and not is_next:
            self._counts.false_recoveries += 1
        self._has_just_recovered = False
        place = Place(life.epoch, offset)
        if not life.take(offset):
            self._counts.doubled += 1
        elif not is_later:
            self._counts.reordered += 1
        elif number != FOREIGN and any(life.has(other) for other in self._ledger.places(number) if other != place):
            self._counts.doubled += 1  # the log has it twice
        self._ledger.note(number, place)

    def joined(self, first: int, last: int) -> None:
        """Deltas of others came joined: a publication that stands for the offsets from `first` to `last`."""
        for offset in range(first, last + 1):
            self.shown(offset, FOREIGN)

    def conclude(self) -> Counts:
        """What it never got, at the end of the run."""
        found = Counts()
        for number, place in self._ledger.confirmed.items():
            if self._has(place):
                continue
            seen_at = [other for other in self._ledger.places(number) if self._has(other)]
            if seen_at:  # a new epoch, of which it was told, gives everything new places
                found.reordered += all(other.epoch == place.epoch for other in seen_at)
            elif self._was_told_of(place):
                found.skipped += 1
            else:
                found.lost += 1
        for life in self._lives:
            for hole in life.holes:  # a confirmed publication in it has been counted
                found.lost += len(hole) - self._ledger.confirmed_in(life.epoch, hole)
        return found

    def _has(self, place: Place) -> bool:
        return any(life.has(place) for life in self._lives)

    def _was_told_of(self, place: Place) -> bool:
        """True if a later life began behind this place: the log went on, and no longer reached back. A new epoch
        excuses nothing that was confirmed in the old one."""
        return any(life.was_told and life.epoch == place.epoch and place.offset <= life.start for life in self._lives)
