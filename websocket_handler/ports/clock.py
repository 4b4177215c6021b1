"""What time it is. The core never asks: it is told."""

from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Two clocks, because they answer two questions."""

    def monotonic(self) -> float:
        """Seconds that only go forward: for every interval, deadline and rate."""
        ...

    def wall(self) -> float:
        """Seconds since 1970 UTC, which an operator may set back: for ages that survive the process."""
        ...

    def timestamp(self) -> str:
        """`wall` as the wire says it: ISO 8601, UTC, milliseconds."""
        ...

    def text(self, wall: float) -> str:
        """Any wall-clock second as the wire says it."""
        ...


class Timer(Protocol):
    """A callback that waits for its time."""

    def cancel(self) -> None:
        """Do not call. Cancelling what was called already changes nothing."""
        ...


class Scheduler(Protocol):
    """When to call. An asyncio event loop is one; a simulation brings another."""

    def call_soon(self, callback: Callable[[], object]) -> object:
        """Call in this turn of the loop's next round, after what is already waiting."""
        ...

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        """Call once, `delay` seconds from now."""
        ...
