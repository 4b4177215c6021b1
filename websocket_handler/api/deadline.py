"""A moment after which something happens, unless it is called off."""

import asyncio
from collections.abc import Callable


class Deadline:
    """At most one call in the future."""

    __slots__ = ("_timer",)

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def set(self, delay_s: float, then: Callable[[], object]) -> None:
        """Call `then` after this time. A call that was planned before is called off."""
        self.call_off()
        self._timer = asyncio.get_running_loop().call_later(delay_s, then)

    def call_off(self) -> None:
        """Nothing happens any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def is_set(self) -> bool:
        """True from `set` to `call_off`."""
        return self._timer is not None
