"""The gate in front of a store. An operation begins when its turn comes, or not at all.

The gate holds back operations that the store cannot answer in time, in a queue of limited length and time. It does not
know what an operation does.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

from websocket_handler.adapters.overload.limit import AdaptiveLimit, LimitOptions
from websocket_handler.adapters.overload.queue import Rank, TurnQueue
from websocket_handler.ports.backoff import Backoff

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


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """An operation that waits for its turn."""

    is_wanted: Callable[[], bool]
    turn: asyncio.Future[None]
    """Done when the operation may begin. Fails with NotBegun."""

    def refuse(self, answer: NotBegun) -> None:
        """Tell the operation that it does not begin."""
        if not self.turn.done():
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
        self._queue: TurnQueue[_Waiting] = TurnQueue(self._options.waiting_max)
        self._turn_s = 0.0
        """How many seconds an operation takes, on average."""
        self._failures = 0
        """How many operations failed in a row."""
        self.under_way = 0
        """How many operations have begun and still hold their place."""

    @property
    def waiting(self) -> int:
        """How many operations wait for their turn."""
        return len(self._queue)

    def turn(self, rank: Rank, is_wanted: Callable[[], bool]) -> "_Turn":
        """A context in which one operation runs. Raises NotBegun on entering. When an operation that had to wait may
        begin, `is_wanted` is asked first."""
        return _Turn(self, rank, is_wanted)

    async def begin(self, rank: Rank, is_wanted: Callable[[], bool]) -> float:
        """Begin an operation when it is its turn, and return that time. Raises NotBegun."""
        if self.under_way < self._limit.allowed and not self._queue.count(rank):
            self.under_way += 1
        else:
            await self._wait(rank, is_wanted)
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

    async def _wait(self, rank: Rank, is_wanted: Callable[[], bool]) -> None:
        """Wait until an operation may begin. Raises NotBegun. Cancelling it is safe."""
        waiting = _Waiting(is_wanted, asyncio.get_running_loop().create_future())
        dropped = self._queue.add(waiting, rank)
        if dropped is not None:
            dropped.refuse(self._busy())
        timer = asyncio.get_running_loop().call_later(self._options.wait_max_s, self._expire, waiting)
        try:
            await waiting.turn
        except BaseException:
            if waiting.has_turn:  # its turn came in the moment when the operation gave up
                self._free()
            else:
                self._queue.remove(waiting)
            raise
        finally:
            timer.cancel()

    def _expire(self, waiting: _Waiting) -> None:
        waiting.refuse(self._busy())

    def _let_in(self) -> None:
        while self.under_way < self._limit.allowed:
            waiting = self._queue.take()
            if waiting is None:
                return
            if not waiting.is_wanted():
                waiting.refuse(NotBegun("nobody waits for it any more", is_unwanted=True))
            elif not waiting.turn.done():  # otherwise the operation gave up in this moment
                self.under_way += 1
                waiting.turn.set_result(None)

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


class _Turn:
    """The turn of one operation. A class and not a generator, because every write passes here."""

    __slots__ = ("_began", "_gate", "_is_wanted", "_rank")

    def __init__(self, gate: Gate, rank: Rank, is_wanted: Callable[[], bool]) -> None:
        self._gate = gate
        self._rank = rank
        self._is_wanted = is_wanted
        self._began = 0.0

    async def __aenter__(self) -> None:
        self._began = await self._gate.begin(self._rank, self._is_wanted)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gate.end(self._began, is_failed=isinstance(error, Exception))
