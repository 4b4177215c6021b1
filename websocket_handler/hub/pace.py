"""PURE: after a write to a log, the next one gathers for a while, because some stores have a price per write."""

from collections import OrderedDict


class Pace:
    """Remembers when each log was written, as long as its next write has to wait. Times are monotonic seconds."""

    __slots__ = ("_linger_s", "_written")

    def __init__(self, linger_s: float) -> None:
        """`linger_s` is for how many seconds after a write the next one gathers."""
        self._linger_s = linger_s
        self._written: OrderedDict[str, float] = OrderedDict()
        """When each log was written, the oldest first. A dict finds its first key behind all that have left."""

    def __len__(self) -> int:
        return len(self._written)

    def note(self, log: str, now: float) -> None:
        """`log` was written now. Forgets the logs whose next write need not wait any more."""
        written = self._written
        written.pop(log, None)
        while written and written[oldest := next(iter(written))] + self._linger_s <= now:
            del written[oldest]
        written[log] = now

    def wait_s(self, log: str, now: float) -> float:
        """For how many seconds the next write to `log` still has to wait; 0 if it may leave at once."""
        written = self._written.get(log)
        return 0.0 if written is None else max(0.0, written + self._linger_s - now)
