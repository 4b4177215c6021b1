"""A token bucket that is told the time."""


class TokenBucket:
    """Allows `per_second` units a second on average and `burst` at once. A rate of 0 allows everything."""

    __slots__ = ("_at", "_burst", "_per_second", "_tokens")

    def __init__(self, per_second: float, burst: float, now: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = burst
        self._at = now

    def has(self, now: float, amount: float = 1.0) -> bool:
        """True if `amount` is left. `now` is monotonic seconds; time that stands still refills nothing."""
        if not self._per_second:
            return True
        if now > self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
            self._at = now
        return self._tokens >= amount

    def allows(self, now: float, amount: float = 1.0) -> bool:
        """Take `amount` if it is there."""
        if not self._per_second:
            return True
        if not self.has(now, amount):
            return False
        self._tokens -= amount
        return True
