"""What one project was given, and where in its log each publication stands. It knows no clock and no socket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

FOREIGN: Final = -1
"""Stands for the publications of others in the same project."""


class Place(NamedTuple):
    """A position of the protocol: it stands behind the publication with this offset."""

    epoch: str
    offset: int


class Ledger:
    """What is known of one project's log: from the confirmations that publishers got, and from what subscribers saw."""

    def __init__(self) -> None:
        self.confirmed: dict[int, Place] = {}
        """The publications whose confirmation came, by number, and the place that it named."""
        self.forked = 0
        """How many times a place of the log turned out to hold another publication than before."""
        self._held: dict[str, dict[int, int]] = {}
        self._places: dict[int, list[Place]] = {}
        self._heads: dict[str, int] = {}
        self._epoch = ""
        self._numbers = 0

    def new_number(self) -> int:
        """The number of the next publication. Each number is given to one publication."""
        self._numbers += 1
        return self._numbers - 1

    def confirm(self, number: int, place: Place) -> None:
        """A publisher was told that its publication is in the log."""
        self.confirmed[number] = place
        self._epoch = place.epoch
        self._heads[place.epoch] = max(place.offset, self._heads.get(place.epoch, 0))
        self.note(number, place)

    def note(self, number: int, place: Place) -> None:
        """Somebody learnt that a publication stands at a place."""
        held = self._held.setdefault(place.epoch, {})
        before = held.setdefault(place.offset, number)
        if before != number:
            self.forked += 1
            held[place.offset] = number
        if number != FOREIGN:
            places = self._places.setdefault(number, [])
            if place not in places:
                places.append(place)

    def places(self, number: int) -> Sequence[Place]:
        """Every place at which a publication was seen or confirmed."""
        return self._places.get(number, ())

    @property
    def head(self) -> Place | None:
        """The last place that was confirmed in the newest epoch; None before the first confirmation."""
        return Place(self._epoch, self._heads[self._epoch]) if self._epoch else None

    def confirmed_in(self, epoch: str, offsets: range) -> int:
        """How many of these places hold a confirmed publication."""
        held = self._held.get(epoch, {})
        numbers: Iterator[int] = (
            (held[offset] for offset in offsets if offset in held)
            if len(offsets) < len(held)
            else (number for offset, number in held.items() if offset in offsets)
        )
        return sum(number in self.confirmed for number in numbers)
