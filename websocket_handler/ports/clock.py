"""What time it is, and how work begins later or beside everything else.

The core never asks the system: its caller passes in the time.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

StartTask = Callable[[Coroutine[Any, Any, None]], object]
"""Starts a coroutine in the background and keeps it until it ends."""


class Clock(Protocol):
    """Two clocks, because there are two questions."""

    def monotonic(self) -> float:
        """Seconds that only go forward: for every interval, deadline and rate."""
        ...

    def wall(self) -> float:
        """Seconds since 1970 UTC, which an operator may set back: for ages that outlive the process."""
        ...

    def timestamp(self) -> str:
        """`wall` as messages and log lines write it: ISO 8601, UTC, milliseconds."""
        ...

    def text(self, wall: float) -> str:
        """Any second of `wall`, written in the same way."""
        ...


class Timer(Protocol):
    """A callback that will be called at a certain time."""

    def cancel(self) -> None:
        """Do not call it. After the call, this does nothing."""
        ...


class Scheduler(Protocol):
    """Calls functions later. An asyncio event loop is one; a simulation has its own."""

    def call_soon(self, callback: Callable[[], object]) -> object:
        """Call in the next round of the loop, after the calls that wait already."""
        ...

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        """Call once, `delay` seconds from now."""
        ...
