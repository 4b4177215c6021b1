"""How late the event loop of this process is, and deadlines that do not run while it is.

A loop is late when its callbacks take long, or when the machine gives the process no processor. An answer that has
arrived meanwhile waits until the loop looks at it. That wait is part of the time that a caller measures, but it is not
the store's. Beats tell how long it was: a beat is a timer, and the loop runs it as late as everything else.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

BEAT_S: Final = 0.02
"""How many seconds lie between two beats. Of shorter lags a part goes unnoticed."""
DEADLINE_BEATS: Final = 10
"""Into how many beats a deadline is divided."""
SHORTEST_S: Final = 0.001
"""The event loop's timers are no more exact than this."""


class Beats:
    """Adds up by how much each beat was late. Times are monotonic seconds."""

    __slots__ = ("_beat_s", "_due", "_late_s")

    def __init__(self, began: float, beat_s: float) -> None:
        self._beat_s = beat_s
        self._due = began + beat_s
        self._late_s = 0.0

    def beat(self, now: float) -> float:
        """Note that the beat that was due runs at `now`. Returns when the next one is due."""
        self._late_s = self.late_s(now)
        self._due = now + self._beat_s
        return self._due

    def late_s(self, now: float) -> float:
        """By how many seconds all beats until `now` were late together."""
        return self._late_s + max(0.0, now - self._due)


class LoopLag:
    """The lag of the running loop. It has one timer, and only while anybody measures."""

    def __init__(self, beat_s: float = BEAT_S) -> None:
        self._beat_s = beat_s
        self._measuring = 0
        """How many measure at this moment."""
        self._beats: Beats
        self._timer: asyncio.TimerHandle

    @contextmanager
    def measured(self) -> Generator[Callable[[], float]]:
        """A context with a function that returns for how many seconds the loop was late since the context began."""
        loop = asyncio.get_running_loop()
        if not self._measuring:
            self._beats = Beats(loop.time(), self._beat_s)
            self._timer = loop.call_later(self._beat_s, self._beat)
        self._measuring += 1
        before_s = self._beats.late_s(loop.time())
        try:
            yield lambda: self._beats.late_s(loop.time()) - before_s
        finally:
            self._measuring -= 1
            if not self._measuring:
                self._timer.cancel()

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(self._beats.beat(loop.time()), self._beat)


@asynccontextmanager
async def patient_timeout(timeout_s: float) -> AsyncGenerator[None]:
    """A context that raises TimeoutError after `timeout_s` seconds. The time for which the loop was late does not
    count, so it may take longer: at most `DEADLINE_BEATS` turns of a loop that is late in each of them."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    timer: asyncio.TimerHandle
    async with asyncio.timeout(None) as timeout:
        with LoopLag(timeout_s / DEADLINE_BEATS).measured() as late_s:

            def look() -> None:
                nonlocal timer
                now = loop.time()
                left_s = began + timeout_s + late_s() - now
                if left_s < SHORTEST_S:
                    timeout.reschedule(now)
                else:
                    timer = loop.call_later(left_s, look)

            timer = loop.call_later(timeout_s, look)
            try:
                yield
            finally:
                timer.cancel()
