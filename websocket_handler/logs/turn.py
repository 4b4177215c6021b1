"""What the logs do at the end of a turn of the loop, in one call of the loop for all projects: first all of them write
and confirm, then all of them send. The processor runs both faster when they do not take turns."""

from collections.abc import Callable

from websocket_handler.ports.clock import Scheduler

Call = Callable[[], object]


class Turn:
    """The calls that wait for the end of this turn. Each node has two: one for projects, and one for broadcasts."""

    __slots__ = ("_calls", "_scheduler", "_sends")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._calls: list[Call] = []
        self._sends: list[Call] | None = None
        """What is to be sent at the end of the calls; None while none of them is being made."""

    def plan(self, call: Call) -> None:
        """Call this in the next round of the loop, in the order of planning."""
        if not self._calls:
            self._scheduler.call_soon(self._end)
        self._calls.append(call)

    def send_last(self, send: Call) -> None:
        """Call this after all the calls of this round; now, if none of them is being made."""
        if self._sends is None:
            send()
        else:
            self._sends.append(send)

    def _end(self) -> None:
        """Make the calls, then send. If one of them raises, the others are made in the round after this one."""
        calls, self._calls = self._calls, []
        sends = self._sends = []
        try:
            self._make(calls)
        finally:
            self._sends = None
            self._make(sends)

    def _make(self, calls: list[Call]) -> None:
        made = 0
        try:
            for call in calls:
                made += 1
                call()
        finally:
            if made < len(calls):
                for call in calls[made:]:
                    self.plan(call)
