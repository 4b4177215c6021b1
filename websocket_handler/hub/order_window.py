"""Puts the updates of each producer in order again: an update waits while one before it has not come yet.

Producers number their updates 0, 1, 2, and so on. The next update is released at once. An update that is ahead waits
until the updates before it are released or in the log, until its time is over, or until too much waits. Nothing is
dropped: a late update, or one that comes a second time, is released at once, and the idempotency keys recognise the
second one.

A producer may also begin with 1. So 1 waits for a 0 only a short time.
"""

from bisect import insort
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, NamedTuple, TypeVar

from websocket_handler.hub.producers import NONE_YET

FIRST_WAIT_S: Final = 1.0
"""How many seconds 1 waits for a 0 if it is the first update of its producer: 0 may come a moment later, or never."""

Item = TypeVar("Item")


class Source(NamedTuple):
    """The updates of one producer in one project are put in order."""

    project_id: str
    producer: str


@dataclass(frozen=True, slots=True)
class OrderLimits:
    """How much may wait at once."""

    per_producer: int = 1000
    count: int = 2000
    bytes: int = 8_388_608
    known: int = 10_000
    """How many producers of all projects are remembered. If there are more, the one that was used longest ago is
    forgotten; then only the log tells how far it has come."""


class GapReason(StrEnum):
    """Why an update was released before the missing ones."""

    TIME = "time"
    """It had waited long enough."""
    PRODUCER = "producer"
    """Too many updates of its producer waited."""
    TOTAL = "total"
    """Too much waited."""


class Gap(NamedTuple):
    """The sequences that were waited for and did not come: from `first` to the one before `end`."""

    source: Source
    first: int
    end: int
    reason: GapReason


class Released(NamedTuple, Generic[Item]):
    """An update that waits no longer."""

    item: Item
    gap: Gap | None
    """The sequences that are missing right before it; None if none are."""
    is_behind: bool
    """True if this update, or a later one, was released before: it is late, or it came a second time."""


class _Waiting(NamedTuple, Generic[Item]):
    sequence: int
    arrival: int
    """Counts the updates that had to wait. It keeps those with the same sequence in their order, so that items are
    never compared."""
    deadline: float
    size: int
    item: Item


class _Producer(Generic[Item]):
    """One producer's updates in one project."""

    __slots__ = ("reached", "source", "waiting")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.reached = NONE_YET
        """The highest sequence that was released, or is in the log."""
        self.waiting: list[_Waiting[Item]] = []
        """In the order of their sequences."""


class OrderWindow(Generic[Item]):
    """The updates that wait for others. `now` is in seconds, and never goes back.

    Every method returns the updates that it releases, in their order.
    """

    def __init__(self, limits: OrderLimits) -> None:
        self._limits = limits
        self._known: OrderedDict[Source, _Producer[Item]] = OrderedDict()
        """The producers that were used longest ago come first."""
        self._blocked: dict[Source, _Producer[Item]] = {}
        """The producers with updates that wait. The one that has waited longest comes first."""
        self._arrivals = 0
        self.count = 0
        self.bytes = 0

    @property
    def blocked(self) -> Sequence[Source]:
        """The producers whose updates wait."""
        return list(self._blocked)

    def offer(
        self, source: Source, sequence: int, item: Item, *, size: int, logged: int, wait_s: float, now: float
    ) -> list[Released[Item]]:
        """Take an update, which may wait for `wait_s`. `logged` is the highest sequence of the producer that is known
        to be in the log."""
        producer = self._producer(source)
        released = self._advance(producer, logged)
        if sequence <= producer.reached + 1:
            released.append(self._pass(producer, sequence, item))
            released += self._run(producer)
            return released
        is_first = sequence == 1 and producer.reached == NONE_YET
        deadline = now + (min(FIRST_WAIT_S, wait_s) if is_first else wait_s)
        insort(producer.waiting, _Waiting(sequence, self._arrivals, deadline, size, item))
        self._arrivals += 1
        self._blocked.setdefault(source, producer)
        self.count += 1
        self.bytes += size
        return released + self._keep_limits(producer)

    def advance(self, source: Source, logged: int) -> list[Released[Item]]:
        """Note that the log of the project holds updates of the producer up to `logged`, whichever node wrote them."""
        producer = self._known.get(source)
        return [] if producer is None else self._advance(producer, logged)

    def close_overdue(self, now: float) -> list[Released[Item]]:
        """Release the updates whose time is over, and those before them."""
        released: list[Released[Item]] = []
        for producer in list(self._blocked.values()):
            overdue = [waiting.sequence for waiting in producer.waiting if waiting.deadline <= now]
            while overdue and producer.waiting and producer.waiting[0].sequence <= overdue[-1]:
                released += self._cross(producer, GapReason.TIME)
        return released

    def take_all(self) -> list[Item]:
        """Take out everything that waits."""
        items = [waiting.item for producer in self._blocked.values() for waiting in producer.waiting]
        for producer in self._blocked.values():
            producer.waiting = []
        self._blocked.clear()
        self.count = self.bytes = 0
        return items

    def forget(self, source: Source) -> None:
        """Forget how far a producer has come, because an update that was released did not reach the log. Only the log
        tells now."""
        producer = self._known.get(source)
        if producer is not None:
            producer.reached = NONE_YET

    def _producer(self, source: Source) -> _Producer[Item]:
        producer = self._known.get(source)
        if producer is None:
            producer = self._known[source] = _Producer(source)
            self._forget_oldest()
        self._known.move_to_end(source)
        return producer

    def _forget_oldest(self) -> None:
        for _ in range(len(self._known) - self._limits.known):
            source, producer = next(iter(self._known.items()))
            if producer.waiting:
                self._known.move_to_end(source)  # updates of it wait
            else:
                del self._known[source]

    def _advance(self, producer: _Producer[Item], logged: int) -> list[Released[Item]]:
        producer.reached = max(producer.reached, logged)
        return self._run(producer)

    def _pass(self, producer: _Producer[Item], sequence: int, item: Item) -> Released[Item]:
        """Release an update that is next or late."""
        is_behind = sequence <= producer.reached
        producer.reached = max(producer.reached, sequence)
        return Released(item, None, is_behind)

    def _run(self, producer: _Producer[Item]) -> list[Released[Item]]:
        """Release the waiting updates that are next, up to the first gap."""
        released: list[Released[Item]] = []
        waiting = producer.waiting
        while len(waiting) > len(released) and waiting[len(released)].sequence <= producer.reached + 1:
            first = waiting[len(released)]
            released.append(self._pass(producer, first.sequence, first.item))
            self.bytes -= first.size
        if released:
            del waiting[: len(released)]
            self.count -= len(released)
            if not waiting:
                del self._blocked[producer.source]
        return released

    def _cross(self, producer: _Producer[Item], reason: GapReason) -> list[Released[Item]]:
        """Release the first update that waits, without the missing ones before it, and the updates that follow it."""
        first, missing = producer.waiting[0].sequence, producer.reached + 1
        is_beginning = first == 1 and producer.reached == NONE_YET  # the producer begins with 1, so nothing is missing
        producer.reached = first - 1
        (after_gap, *others) = self._run(producer)
        gap = None if is_beginning else Gap(producer.source, missing, first, reason)
        return [after_gap._replace(gap=gap), *others]

    def _keep_limits(self, latest: _Producer[Item]) -> list[Released[Item]]:
        released: list[Released[Item]] = []
        if len(latest.waiting) > self._limits.per_producer:
            released += self._cross(latest, GapReason.PRODUCER)
        while self.count > self._limits.count or self.bytes > self._limits.bytes:
            longest = next(iter(self._blocked.values()))
            released += self._cross(longest, GapReason.TOTAL)
        return released
