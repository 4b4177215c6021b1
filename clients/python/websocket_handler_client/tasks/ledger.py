"""Which tasks run and which are finished, so that a queue that gives one twice has it done once."""

from collections import OrderedDict
from typing import Final

FINISHED_MAX: Final = 10_000


class Ledger:
    """Remembers the last 10,000 finished tasks of this process."""

    def __init__(self) -> None:
        self._running: set[str] = set()
        self._finished: OrderedDict[str, None] = OrderedDict()

    def begin(self, message_id: str) -> bool:
        """Note that a task begins. Returns False if it runs or is finished."""
        if message_id in self._running or message_id in self._finished:
            return False
        self._running.add(message_id)
        return True

    def end(self, message_id: str, *, is_finished: bool) -> None:
        """Note that a task no longer runs. One that is not finished may begin again."""
        self._running.discard(message_id)
        if is_finished:
            self._finished[message_id] = None
            if len(self._finished) > FINISHED_MAX:
                self._finished.popitem(last=False)

    def is_finished(self, message_id: str) -> bool:
        """True if this process has finished the task."""
        return message_id in self._finished
