"""Limits how many calls on a store may be tried again: to a share of the first tries, so that retries never multiply
the load."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BudgetOptions:
    """The size of the budget, in retries."""

    share: float = 0.1
    """How many retries each first try adds."""
    per_second: float = 2.0
    """How many retries each second adds, so that a store that is seldom asked is still asked again."""
    most: float = 100.0
    """How many retries can be saved up."""


class RetryBudget:
    """The retries that one store may still get. Times are monotonic seconds."""

    __slots__ = ("_counted_at", "_left", "_options")

    def __init__(self, options: BudgetOptions | None = None) -> None:
        self._options = options or BudgetOptions()
        self._left = self._options.most
        self._counted_at: float | None = None

    def first_try(self) -> None:
        """Note that a call is made for the first time."""
        self._left = min(self._options.most, self._left + self._options.share)

    def take(self, now: float) -> bool:
        """Spend one retry. Returns False if none is left; then the call must not be tried again now."""
        if self._counted_at is not None:
            earned = max(0.0, now - self._counted_at) * self._options.per_second
            self._left = min(self._options.most, self._left + earned)
        self._counted_at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
