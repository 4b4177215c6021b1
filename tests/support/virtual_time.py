"""An event loop without a wall clock: when nothing is ready, its time jumps to the next timer.

Sleeps, deadlines and back-offs of hours take no time, and always run in the same order. If a test waits for something
that nobody will ever do, it fails at once and does not hang.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, Final, ParamSpec, TypeVar

START_S: Final = 1000.0
HORIZON_S: Final = 10 * 86400.0
"""After this time only timers that set themselves again can be left: what the test waits for will not happen."""

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")


class DeadlockError(AssertionError):
    """The test waits for something that nobody will ever do."""


class _TimeJump:
    """Takes the place of the loop's selector. When the loop wants to wait, it moves the clock."""

    def __init__(self) -> None:
        self.now = START_S

    def select(self, timeout: float | None) -> list[object]:
        """Nothing happens outside of the loop. `timeout` is the time to the next timer, 0 if something is ready."""
        if timeout is None:
            raise DeadlockError("nothing is ready and no timer runs, but something is awaited")
        if timeout > 0 and self.now + timeout > START_S + HORIZON_S:
            raise DeadlockError(f"only periodic timers were left for {HORIZON_S:.0f} virtual seconds")
        self.now += max(0.0, timeout)
        return []


class VirtualTimeLoop(asyncio.BaseEventLoop):
    """Runs callbacks, tasks and timers. It has no sockets, threads or signals."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _TimeJump()
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Virtual seconds."""
        return self._selector.now

    def be_busy(self, seconds: float) -> None:
        """Let so much time pass before the next callback runs, as a callback does that computes for so long. Timers
        that become due meanwhile run late."""
        self._selector.now += seconds

    def _process_events(self, events: list[object]) -> None:
        assert not events

    def _write_to_self(self) -> None:
        """Does nothing: the selector never sleeps, so nobody has to wake it."""


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run `main` in virtual time, cancel what it has left behind, and return its result."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


def in_virtual_time(test: Callable[Parameters, Coroutine[Any, Any, Result]]) -> Callable[Parameters, Result]:
    """Makes a plain test of an `async def` test."""

    @functools.wraps(test)
    def plain(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return run(test(*args, **kwargs))

    return plain


def be_busy(seconds: float) -> None:
    """See `VirtualTimeLoop.be_busy`."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    loop.be_busy(seconds)


async def settle(turns: int = 50) -> None:
    """Let everything run that is ready, and what it makes ready. The clock stands still."""
    for _ in range(turns):
        await asyncio.sleep(0)
