"""The one clock of the tests."""

import asyncio
from collections.abc import Callable
from typing import Final

from websocket_handler.telemetry.time_text import time_text

BEGIN: Final = 1_795_377_600.0
"""2026-11-22T20:00:00Z."""


def standing() -> float:
    """A source of time that stands still."""
    return 0.0


def loop_time() -> float:
    """The running event loop's time."""
    return asyncio.get_running_loop().time()


class SteeredClock:
    """Two clocks: one counts the seconds that its source gives (none pass unless a test says so), and the wall clock is
    `offset_s` ahead of it. A test moves both with `advance`, and the wall clock alone with `offset_s`."""

    def __init__(self, source: Callable[[], float] = standing, *, wall: float = BEGIN) -> None:
        self._source = source
        self._moved_s = 0.0
        self.offset_s = wall

    def monotonic(self) -> float:
        return self._source() + self._moved_s

    def wall(self) -> float:
        return self.monotonic() + self.offset_s

    def timestamp(self) -> str:
        return self.text(self.wall())

    def text(self, wall: float) -> str:
        return time_text(wall)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._moved_s += seconds

    def move_to(self, wall: float) -> None:
        """Let time pass until the wall clock shows `wall`."""
        self.advance(wall - self.wall())
