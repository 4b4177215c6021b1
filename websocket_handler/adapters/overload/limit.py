"""How many operations on a store may be under way: as many as it answers in time, and no more.

A store that has too much to do answers later and later. An answer that comes after its caller gave up is useless, and
the caller's next try is one call more. So the limit follows the latency: it grows by one with every round of calls that
were answered in time, and shrinks by a third when one was not (additive increase, multiplicative decrease).
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

    def answered(self, began: float, now: float, *, is_failed: bool = False) -> None:
        """Note that a call that began at `began` was answered at `now`. `is_failed` is true if it failed in a way that
        too much load may explain."""
        options = self._options
        if is_failed or now - began > options.latency_max_s:
            if began >= self._shrunk_at:
                self._shrunk_at = now
                self._limit = max(float(options.calls_min), self._limit * options.shrink)
        elif self._limit < options.calls_max:
            self._limit = min(float(options.calls_max), self._limit + 1.0 / self._limit)
