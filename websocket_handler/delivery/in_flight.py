"""The commands of one connection that wait for a queue or a store, and how many of them there may be."""

from collections.abc import Callable
from typing import Final

from websocket_handler.protocol.codes import CommandError, ErrorCode

COMMAND_WEIGHT: Final = 10
HISTORY_WEIGHT: Final = 16 * COMMAND_WEIGHT
"""The answer to this command can be large."""
NO_WEIGHT: Final = 0
"""For commands whose number has another limit. They are in flight, too, because the connection waits for their
answers."""


def publication_weight(size: int, size_max: int) -> int:
    """The weight of a publication: a tenth of another command if it is small, and as much as another command if it has
    the largest size. An agent has many publications in flight as soon as the log store is slow."""
    return 1 + (COMMAND_WEIGHT - 1) * size // size_max


class InFlight:
    """The commands of one connection that have no answer yet."""

    __slots__ = ("_count", "_weight", "_when_empty")

    def __init__(self) -> None:
        self._count = 0
        self._weight = 0
        self._when_empty: Callable[[], object] | None = None

    @property
    def is_empty(self) -> bool:
        """True while every command is answered."""
        return self._count == 0

    def begin(self, weight: int, commands_max: int) -> None:
        """A command begins. Raises CommandError with `overloaded` if more than `commands_max` would be in flight."""
        if self._weight + weight > COMMAND_WEIGHT * commands_max:
            raise CommandError(ErrorCode.OVERLOADED, "too many commands of this connection wait for their answers")
        self._weight += weight
        self._count += 1

    def end(self, weight: int) -> None:
        """A command is answered: its answer was pushed, and leaves in this turn of the loop."""
        self._weight -= weight
        self._count -= 1
        if self._count == 0 and self._when_empty is not None:
            when_empty, self._when_empty = self._when_empty, None
            when_empty()

    def when_empty(self, call: Callable[[], object]) -> None:
        """Call `call` once, when every command is answered; now, if no command is in flight."""
        if self.is_empty:
            call()
        else:
            self._when_empty = call
