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
        return self._late_s if now <= self._due else self._late_s + now - self._due


class LoopLag:
    """The lag of the running loop. It has one timer, and only while anybody measures."""

    def __init__(self, beat_s: float = BEAT_S) -> None:
        self._beat_s = beat_s
        self._measuring = 0
        """How many measure at this moment."""
        self._loop: asyncio.AbstractEventLoop
        self._beats: Beats
        self._timer: asyncio.TimerHandle

    def measured(self) -> "Measured":
        """A context with a function that returns for how many seconds the loop was late since the context began."""
        return Measured(self)

    def begin(self) -> float:
        """Begin to measure. Returns for how many seconds the loop was late before."""
        if self._measuring:
            self._measuring += 1
            return self.late_s()
        self._loop = asyncio.get_running_loop()
        self._beats = Beats(self._loop.time(), self._beat_s)
        self._timer = self._loop.call_later(self._beat_s, self._beat)
        self._measuring = 1
        return 0.0

    def late_s(self) -> float:
        """For how many seconds the loop was late since anybody has been measuring."""
        return self._beats.late_s(self._loop.time())

    def end(self) -> None:
        """End to measure."""
        self._measuring -= 1
        if not self._measuring:
            self._timer.cancel()

    def _beat(self) -> None:
        self._timer = self._loop.call_at(self._beats.beat(self._loop.time()), self._beat)


class Measured:
    """Measures from its beginning to its end. A class and not a generator, because every call of AWS passes here."""

    __slots__ = ("_before_s", "_lag")

    def __init__(self, lag: LoopLag) -> None:
        self._lag = lag
        self._before_s: float | None = None
        """None unless it is measuring."""

    def begin(self) -> None:
        """Begin to measure; the context does it, unless it was done before."""
        self._before_s = self._lag.begin()

    def late_s(self) -> float:
        """For how many seconds the loop was late since the beginning."""
        assert self._before_s is not None
        return self._lag.late_s() - self._before_s

    def end(self) -> None:
        """End to measure. Doing it twice changes nothing."""
        if self._before_s is not None:
            self._before_s = None
            self._lag.end()

    def __enter__(self) -> Callable[[], float]:
        if self._before_s is None:
            self.begin()
        return self.late_s

    def __exit__(self, *_: object) -> None:
        self.end()


def _nothing() -> None:
    """For a deadline that has ended."""


class PatientTimeouts:
    """Deadlines of equal length. They share one measurement of the lag and one timer: they come in the order in which
    they began."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._lag = LoopLag(timeout_s / DEADLINE_BEATS)
        self._loop = asyncio.get_running_loop()
        self._running: dict[Deadline, None] = {}
        """The oldest comes first."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, deadline: "Deadline | None" = None) -> "PatientTimeout":
        """A context that raises TimeoutError after `timeout_s` seconds, or when the given `deadline` comes, which may
        have begun earlier: see `patient_timeout`."""
        return PatientTimeout(self, deadline)

    def watch(self, expired: Callable[[], None]) -> "Deadline":
        """Call `expired` after `timeout_s` seconds, as `patient_timeout` counts them, unless `end` comes first."""
        deadline = Deadline(self._loop.time(), self._lag.begin(), expired)
        self._running[deadline] = None
        if self._timer is None:
            self._timer = self._loop.call_later(self.timeout_s, self._look)
        return deadline

    def end(self, deadline: "Deadline") -> None:
        """Forget a deadline. Doing it twice, or after it came, changes nothing."""
        if deadline not in self._running:
            return
        del self._running[deadline]
        deadline.expired = _nothing  # otherwise it and its owner would be a circle for the garbage collector
        self._lag.end()
        if not self._running and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Let those come that are due, and put the next one off by as much as the loop was late."""
        self._timer = None
        now, late_s = self._loop.time(), self._lag.late_s()
        while self._running:
            deadline = next(iter(self._running))
            left_s = deadline.began + self.timeout_s + late_s - deadline.before_s - now
            if left_s >= SHORTEST_S:
                self._timer = self._loop.call_later(left_s, self._look)
                return
            expired = deadline.expired
            self.end(deadline)
            expired()


class Deadline:
    """When it comes, `expired` is called."""

    __slots__ = ("before_s", "began", "expired")

    def __init__(self, began: float, before_s: float, expired: Callable[[], None]) -> None:
        """`before_s` is for how many seconds the loop was late before `began`."""
        self.began = began
        self.before_s = before_s
        self.expired = expired


class PatientTimeout:
    """A deadline of a block of code: see `patient_timeout`."""

    __slots__ = ("_deadline", "_shared", "_timeout")

    def __init__(self, shared: PatientTimeouts, deadline: Deadline | None) -> None:
        self._shared = shared
        self._timeout = asyncio.timeout(None)
        self._deadline = deadline

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        if self._deadline is None:
            self._deadline = self._shared.watch(self._expire)
        else:
            self._deadline.expired = self._expire

    def _expire(self) -> None:
        self._timeout.reschedule(asyncio.get_running_loop().time())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._deadline is not None
        self._shared.end(self._deadline)
        await self._timeout.__aexit__(kind, error, trace)  # raises TimeoutError, and swallows nothing


def patient_timeout(timeout_s: float) -> PatientTimeout:
    """A context that raises TimeoutError after `timeout_s` seconds. The time for which the loop was late does not
    count, so it may take longer: at most `DEADLINE_BEATS` turns of a loop that is late in each of them."""
    return PatientTimeouts(timeout_s).begin()
