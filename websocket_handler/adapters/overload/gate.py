"""The gate in front of a store. An operation begins when its turn comes, or not at all.

The gate holds back operations that the store cannot answer in time, in a queue of limited length and time. It does not
know what an operation does.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol

from websocket_handler.adapters.overload.limit import AdaptiveLimit, LimitOptions
from websocket_handler.adapters.overload.queue import Rank, TurnQueue
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.log_store import always

RETRY_AFTER_S_MIN: Final = 2.0
RETRY_AFTER_S_MAX: Final = 60.0
"""The longest estimate, in seconds, of when the store will have done what waits now."""
_MEMORY: Final = 0.1
"""How much the newest operation counts in the average time of an operation."""


@dataclass(frozen=True, slots=True)
class GateOptions:
    """The maxima of the gate. An operation that cannot begin within them gets NotBegun."""

    limit: LimitOptions = field(default_factory=LimitOptions)
    waiting_max: int = 5_000
    """How many operations may wait for their turn."""
    wait_max_s: float = 5.0
    """How many seconds each of them may wait."""


class NotBegun(Exception):
    """The store was not asked, because it has too much to do, or because nobody waits for the answer any more."""

    def __init__(self, reason: str, retry_after_s: float = 0.0, *, is_unwanted: bool = False) -> None:
        """`retry_after_s` is in how many seconds the store will have done what waits now. `is_unwanted` is true if
        nobody waits for the answer."""
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.is_unwanted = is_unwanted


class Operation(Protocol):
    """An operation that wants its turn. The gate calls `begin` or `refuse`, once."""

    waits_until: float
    """The gate's: until when the operation may wait, in monotonic seconds."""

    def __hash__(self) -> int: ...

    def is_wanted(self) -> bool:
        """False if nobody waits for the answer any more. Only an operation that had to wait is asked."""
        ...

    def begin(self, now: float) -> None:
        """Its turn has come. It tells the gate when it has ended: `Gate.end`."""
        ...

    def refuse(self, answer: NotBegun) -> None:
        """It does not begin."""
        ...


class _Awaited:
    """An operation that a coroutine waits for."""

    __slots__ = ("_is_wanted", "turn", "waits_until")

    def __init__(self, is_wanted: Callable[[], bool]) -> None:
        self._is_wanted = is_wanted
        self.waits_until = 0.0
        self.turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the operation may begin. Fails with NotBegun."""

    def is_wanted(self) -> bool:
        return not self.turn.done() and self._is_wanted()

    def begin(self, _now: float) -> None:
        self.turn.set_result(None)

    def refuse(self, answer: NotBegun) -> None:
        if not self.turn.done():  # otherwise the coroutine gave up in this moment
            self.turn.set_exception(answer)

    @property
    def has_turn(self) -> bool:
        """True once it may begin."""
        return self.turn.done() and not self.turn.cancelled() and self.turn.exception() is None


class Gate:
    """The gate of one store. `now` gives monotonic seconds.

    The place of an operation that failed stays taken for a while, longer with every failure in a row. So the gate does
    not ask a store that fails at once as fast as it can fail.
    """

    def __init__(self, now: Callable[[], float], backoff: Backoff, options: GateOptions | None = None) -> None:
        self._now = now
        self._backoff = backoff
        self._options = options or GateOptions()
        self._limit = AdaptiveLimit(self._options.limit)
        self._queue: TurnQueue[Operation] = TurnQueue(self._options.waiting_max)
        self._turn_s = 0.0
        """How many seconds an operation takes, on average."""
        self._failures = 0
        """How many operations failed in a row."""
        self._expiry: asyncio.TimerHandle | None = None
        """Comes when the one that has waited longest may wait no longer, or before that."""
        self.under_way = 0
        """How many operations have begun and still hold their place."""

    @property
    def waiting(self) -> int:
        """How many operations wait for their turn."""
        return len(self._queue)

    def turn(self, rank: Rank, is_wanted: Callable[[], bool]) -> "Turn":
        """A context in which one operation runs. Raises NotBegun on entering. When an operation that had to wait may
        begin, `is_wanted` is asked first."""
        return Turn(self, rank, is_wanted)

    def rest_of_turn(self, began: float) -> "Turn":
        """A context for the rest of an operation that began at `began`: it ends the operation."""
        return Turn(self, Rank.LOG, always, began)

    def enter(self, operation: Operation, rank: Rank) -> None:
        """Let an operation begin when it is its turn: now, if there is room, and nobody waits before it."""
        if self.under_way < self._limit.allowed and not self._queue.count(rank):
            self.under_way += 1
            operation.begin(self._now())
            return
        operation.waits_until = self._now() + self._options.wait_max_s
        dropped = self._queue.add(operation, rank)
        if self._expiry is None:
            self._expiry = asyncio.get_running_loop().call_later(self._options.wait_max_s, self._expire)
        if dropped is not None:
            dropped.refuse(self._busy())

    def leave(self, operation: Operation) -> None:
        """Let an operation wait no longer. It is told nothing."""
        self._queue.remove(operation)

    async def begin(self, rank: Rank, is_wanted: Callable[[], bool]) -> float:
        """Begin an operation when it is its turn, and return that time. Raises NotBegun. Cancelling it is safe."""
        operation = _Awaited(is_wanted)
        self.enter(operation, rank)
        try:
            await operation.turn
        except BaseException:
            if operation.has_turn:  # its turn came in the moment when the operation gave up
                self._free()
            else:
                self.leave(operation)
            raise
        return self._now()

    def end(self, began: float, *, is_failed: bool) -> None:
        """End an operation that began at `began`."""
        self._turn_s += _MEMORY * (self._now() - began - self._turn_s)
        self._ended(is_failed=is_failed)

    def answered(self, began: float, *, lag_s: float = 0.0, is_failed: bool) -> None:
        """Note that a call that began at `began` was answered now: see `AdaptiveLimit.answered`."""
        self._limit.answered(began, self._now(), lag_s=lag_s, is_failed=is_failed)
        self._let_in()

    def retry_after_s(self) -> float:
        """In how many seconds the store will have done what waits now."""
        estimate = self._queue.count(Rank.LOG) * self._turn_s / self._limit.allowed
        return min(max(estimate, RETRY_AFTER_S_MIN), RETRY_AFTER_S_MAX)

    def _expire(self) -> None:
        """Refuse those whose time is over. All wait equally long, so the oldest are the first."""
        self._expiry = None
        now = self._now()
        for operation in self._queue.take_first(lambda waiting: waiting.waits_until <= now):
            operation.refuse(self._busy())
        oldest = self._queue.oldest()
        if oldest and self._expiry is None:
            soonest = min(operation.waits_until for operation in oldest)
            self._expiry = asyncio.get_running_loop().call_later(soonest - now, self._expire)

    def _let_in(self) -> None:
        while self.under_way < self._limit.allowed:
            operation = self._queue.take()
            if operation is None:
                return
            if operation.is_wanted():
                self.under_way += 1
                operation.begin(self._now())
            else:
                operation.refuse(NotBegun("nobody waits for it any more", is_unwanted=True))

    def _ended(self, *, is_failed: bool) -> None:
        if is_failed:
            self._failures += 1
            asyncio.get_running_loop().call_later(self._backoff.delay_s(self._failures), self._free)
        else:
            self._failures = 0
            self._free()

    def _free(self) -> None:
        self.under_way -= 1
        self._let_in()

    def _busy(self) -> NotBegun:
        return NotBegun("the store has too much to do", self.retry_after_s())


class Turn:
    """The turn of one operation. A class and not a generator, because every read passes here."""

    __slots__ = ("_began", "_gate", "_is_wanted", "_rank")

    def __init__(self, gate: Gate, rank: Rank, is_wanted: Callable[[], bool], began: float | None = None) -> None:
        self._gate = gate
        self._rank = rank
        self._is_wanted = is_wanted
        self._began = began

    async def __aenter__(self) -> None:
        if self._began is None:
            self._began = await self._gate.begin(self._rank, self._is_wanted)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._began is not None
        self._gate.end(self._began, is_failed=isinstance(error, Exception))
