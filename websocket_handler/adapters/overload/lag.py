"""How late the event loop of this process is, and deadlines that do not run while it is.

A loop is late when its callbacks take long, or when the machine gives the process no processor. An answer that has
arrived meanwhile waits until the loop looks at it. That wait is part of the time that a caller measures, but it is not
the store's. Beats tell how long it was: a beat is a timer, and the loop runs it as late as everything else.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
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

    def measured(self) -> "_Measured":
        """A context with a function that returns for how many seconds the loop was late since the context began."""
        return _Measured(self)

    def begin(self) -> float:
        """Begin to measure. Returns for how many seconds the loop was late before."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self._measuring:
            self._beats = Beats(now, self._beat_s)
            self._timer = loop.call_later(self._beat_s, self._beat)
        self._measuring += 1
        return self._beats.late_s(now)

    def late_s(self) -> float:
        """For how many seconds the loop was late since anybody has been measuring."""
        return self._beats.late_s(asyncio.get_running_loop().time())

    def end(self) -> None:
        """End to measure."""
        self._measuring -= 1
        if not self._measuring:
            self._timer.cancel()

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(self._beats.beat(loop.time()), self._beat)


class _Measured:
    """Measures from its beginning to its end. A class and not a generator, because every call of AWS passes here."""

    __slots__ = ("_before_s", "_lag")

    def __init__(self, lag: LoopLag) -> None:
        self._lag = lag
        self._before_s = 0.0

    def __enter__(self) -> Callable[[], float]:
        self._before_s = self._lag.begin()
        return self._late_s

    def _late_s(self) -> float:
        return self._lag.late_s() - self._before_s

    def __exit__(self, *_: object) -> None:
        self._lag.end()


class PatientTimeouts:
    """Deadlines of equal length. They share one measurement of the lag."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.lag = LoopLag(timeout_s / DEADLINE_BEATS)

    def begin(self) -> "PatientTimeout":
        """A context that raises TimeoutError after `timeout_s` seconds: see `patient_timeout`."""
        return PatientTimeout(self)


class PatientTimeout:
    """One deadline: see `patient_timeout`."""

    __slots__ = ("_before_s", "_began", "_lag", "_timeout", "_timeout_s", "_timer")

    def __init__(self, shared: PatientTimeouts) -> None:
        self._timeout_s = shared.timeout_s
        self._lag = shared.lag
        self._timeout = asyncio.timeout(None)
        self._before_s = self._began = 0.0
        self._timer: asyncio.TimerHandle

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        self._before_s = self._lag.begin()
        self._timer = loop.call_later(self._timeout_s, self._look)

    def _look(self) -> None:
        """Break off, or put the deadline off by as much as the loop was late."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        left_s = self._began + self._timeout_s + self._lag.late_s() - self._before_s - now
        if left_s < SHORTEST_S:
            self._timeout.reschedule(now)
        else:
            self._timer = loop.call_later(left_s, self._look)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._lag.end()
        await self._timeout.__aexit__(kind, error, trace)  # raises TimeoutError, and swallows nothing


def patient_timeout(timeout_s: float) -> PatientTimeout:
    """A context that raises TimeoutError after `timeout_s` seconds. The time for which the loop was late does not
    count, so it may take longer: at most `DEADLINE_BEATS` turns of a loop that is late in each of them."""
    return PatientTimeouts(timeout_s).begin()
