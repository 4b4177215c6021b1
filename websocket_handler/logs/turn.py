"""What the logs do at the end of a turn of the loop, in one call of the loop for all projects."""

from collections.abc import Callable

from websocket_handler.ports.clock import Scheduler


class Turn:
    """The calls that wait for the end of this turn. Each node has two: one for projects, and one for broadcasts."""

    __slots__ = ("_calls", "_scheduler")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._calls: list[Callable[[], object]] = []

    def plan(self, call: Callable[[], object]) -> None:
        """Call this in the next round of the loop, in the order of planning."""
        if not self._calls:
            self._scheduler.call_soon(self._end)
        self._calls.append(call)

    def _end(self) -> None:
        """Make the calls. If one of them raises, the others are made in the round after this one."""
        calls, self._calls = self._calls, []
        made = 0
        try:
            for call in calls:
                made += 1
                call()
        finally:
            for call in calls[made:]:
                self.plan(call)
