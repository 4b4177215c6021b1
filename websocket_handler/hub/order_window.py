"""Puts the updates of each producer in order again: an update waits while one before it has not come yet.

Producers number their updates 0, 1, 2, and so on. What is next goes on at once. What is ahead waits until the updates
before it have gone on or are in the log already, until its time is over, or until too much waits. Nothing is dropped:
what comes behind its successors, or for a second time, goes on at once, and the idempotency keys tell the doubles.

A producer may also begin with 1: so 1 waits for a 0 only shortly.
"""

from bisect import insort
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, NamedTuple, TypeVar

from websocket_handler.hub.producers import NONE_YET

FIRST_WAIT_S: Final = 1.0
"""How long 1 waits for a 0, as the first update of a producer: 0 may be a moment late, or there is none."""

Item = TypeVar("Item")


class Source(NamedTuple):
    """Whose updates are put in order: one producer in one project."""

    project_id: str
    producer: str


@dataclass(frozen=True, slots=True)
class OrderLimits:
    """How much may wait at once."""

    per_producer: int = 1000
    count: int = 2000
    bytes: int = 8_388_608
    known: int = 10_000
    """Producers of all projects that are remembered. Beyond it the one that was used longest ago is forgotten; then
    only the log tells how far it has come."""


class GapReason(StrEnum):
    """Why an update went on before those that are missing."""

    TIME = "time"
    """It had waited long enough."""
    PRODUCER = "producer"
    """Too many updates of its producer waited."""
    TOTAL = "total"
    """Too much waited."""


class Gap(NamedTuple):
    """Sequences that were waited for and did not come: from `first` to the one before `end`."""

    source: Source
    first: int
    end: int
    reason: GapReason


class Released(NamedTuple, Generic[Item]):
    """An update that goes on."""

    item: Item
    gap: Gap | None
    """What is missing right before it."""
    is_behind: bool
    """True if it, or one after it, has gone on before: it is late, or a double."""


class _Waiting(NamedTuple, Generic[Item]):
    sequence: int
    arrival: int
    """Counts all that waited: those of one sequence go on in their order, and items are never compared."""
    deadline: float
    size: int
    item: Item


class _Producer(Generic[Item]):
    """One producer's updates in one project."""

    __slots__ = ("reached", "source", "waiting")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.reached = NONE_YET
        """The highest sequence that has gone on, or is in the log."""
        self.waiting: list[_Waiting[Item]] = []
        """By sequence."""


class OrderWindow(Generic[Item]):
    """The updates that wait for others. `now` is in seconds, and never goes back.

    Every method gives what goes on, in this order.
    """

    def __init__(self, limits: OrderLimits) -> None:
        self._limits = limits
        self._known: OrderedDict[Source, _Producer[Item]] = OrderedDict()
        """Those that were used longest ago first."""
        self._blocked: dict[Source, _Producer[Item]] = {}
        """Those of whom something waits; who has waited longest first."""
        self._arrivals = 0
        self.count = 0
        self.bytes = 0

    @property
    def blocked(self) -> Sequence[Source]:
        """Whose updates wait."""
        return list(self._blocked)

    def offer(
        self, source: Source, sequence: int, item: Item, *, size: int, logged: int, wait_s: float, now: float
    ) -> list[Released[Item]]:
        """An update has come, which may wait for `wait_s`. `logged` is the highest sequence of the producer that is
        known to be in the log."""
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
        """The log of the project holds updates of the producer up to `logged`, whoever wrote them."""
        producer = self._known.get(source)
        return [] if producer is None else self._advance(producer, logged)

    def close_overdue(self, now: float) -> list[Released[Item]]:
        """Wait no longer than promised: let go on what is overdue, and what comes before it."""
        released: list[Released[Item]] = []
        for producer in list(self._blocked.values()):
            overdue = [waiting.sequence for waiting in producer.waiting if waiting.deadline <= now]
            while overdue and producer.waiting and producer.waiting[0].sequence <= overdue[-1]:
                released += self._cross(producer, GapReason.TIME)
        return released

    def take_all(self) -> list[Item]:
        """Let go of everything that waits."""
        items = [waiting.item for producer in self._blocked.values() for waiting in producer.waiting]
        for producer in self._blocked.values():
            producer.waiting = []
        self._blocked.clear()
        self.count = self.bytes = 0
        return items

    def forget(self, source: Source) -> None:
        """What went on did not reach the log: only the log tells now how far the producer has come."""
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
                self._known.move_to_end(source)  # it is in use
            else:
                del self._known[source]

    def _advance(self, producer: _Producer[Item], logged: int) -> list[Released[Item]]:
        producer.reached = max(producer.reached, logged)
        return self._run(producer)

    def _pass(self, producer: _Producer[Item], sequence: int, item: Item) -> Released[Item]:
        """Let go on what is next or behind."""
        is_behind = sequence <= producer.reached
        producer.reached = max(producer.reached, sequence)
        return Released(item, None, is_behind)

    def _run(self, producer: _Producer[Item]) -> list[Released[Item]]:
        """Let go on what waits and is next, as far as there is no gap."""
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
        """Wait no longer for what is missing before the first that waits: that one goes on, and what follows it."""
        first, missing = producer.waiting[0].sequence, producer.reached + 1
        is_beginning = first == 1 and producer.reached == NONE_YET  # it begins with 1: nothing is missing
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
