"""How many operations on a store may be under way: as many as it answers in time, and no more.

A store that has too much to do answers later and later. An answer that comes after its caller gave up is useless, and
the caller's next try is one call more. So the limit follows the latency: it grows by one with every round of calls that
were answered in time, and shrinks by a third when one was not (additive increase, multiplicative decrease). An answer
that was late only because our own event loop was busy says nothing about the store, and changes nothing.
docs/decisions/0023-overload.md compares this rule with others.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """The bounds of the limit, and how long a call may take until it is late."""

    calls_min: int = 2
    calls_first: int = 8
    """The limit at the beginning."""
    calls_max: int = 32
    latency_max_s: float = 1.0
    """A call that takes longer than this is late. It is half of the time that a caller waits, which leaves room for a
    slower moment."""
    shrink: float = 0.7


class AdaptiveLimit:
    """The limit for one store. Times are monotonic seconds."""

    __slots__ = ("_limit", "_options", "_shrunk_at")

    def __init__(self, options: LimitOptions | None = None) -> None:
        self._options = options or LimitOptions()
        self._limit = float(self._options.calls_first)
        self._shrunk_at = float("-inf")
        """When the limit last shrank. A call that began before that says nothing about the present limit."""

    @property
    def allowed(self) -> int:
        """How many operations may be under way."""
        return int(self._limit)

    def answered(self, began: float, now: float, *, lag_s: float = 0.0, is_failed: bool = False) -> None:
        """Note that a call that began at `began` was answered at `now`. For `lag_s` of these seconds our own event loop
        was late. `is_failed` is true if the call failed in a way that too much load may explain."""
        latency_s, latency_max_s = now - began, self._options.latency_max_s
        is_late = latency_s > latency_max_s
        if is_late and latency_s - lag_s <= latency_max_s:
            return
        if is_late or is_failed:
            self._shrink(began, now)
        else:
            self._grow()

    def _grow(self) -> None:
        self._limit = min(float(self._options.calls_max), self._limit + 1.0 / self._limit)

    def _shrink(self, began: float, now: float) -> None:
        if began >= self._shrunk_at:
            self._shrunk_at = now
            self._limit = max(float(self._options.calls_min), self._limit * self._options.shrink)
