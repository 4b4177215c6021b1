"""Tries one thing again and again, with full jitter, until it works or the time is over."""

import time
from collections.abc import Callable
from random import SystemRandom
from typing import Final, TypeVar

from websocket_handler_client.core.backoff import delay_s
from websocket_handler_client.errors import UnansweredError

BASE_S: Final = 0.2
MAX_S: Final = 5.0
Result = TypeVar("Result")


class TryAgain(Exception):
    """This try failed, and another may work."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s
        """How long the other side asks to wait; None for our own back-off."""


class Tries:
    """Waits between tries. `sleep`, `clock` and `chance` are those of the machine unless a test gives others."""

    def __init__(
        self,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] | None = None,
    ) -> None:
        self.chance = chance or SystemRandom().random
        self._sleep = sleep
        self._clock = clock

    def until(self, timeout_s: float, attempt: Callable[[], Result]) -> Result:
        """Call `attempt` until it no longer raises TryAgain. Raises UnansweredError when the next try would begin too
        late."""
        deadline_s = self._clock() + timeout_s
        tries = 0
        while True:
            try:
                return attempt()
            except TryAgain as fault:
                wait_s = delay_s(tries, self.chance(), BASE_S, MAX_S) if fault.wait_s is None else fault.wait_s
                if self._clock() + wait_s >= deadline_s:
                    raise UnansweredError(str(fault)) from fault
            tries += 1
            self._sleep(wait_s)
