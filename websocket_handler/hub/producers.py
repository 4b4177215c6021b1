"""How far the publications of each producer have come in one project's log."""

from collections import OrderedDict
from typing import Final

from websocket_handler.protocol.ordinal import ordinal_of

NONE_YET: Final = -1
"""The last sequence of a producer that is not known."""


class Producers:
    """The highest sequence of each producer, bounded: the producer that published longest ago goes first."""

    __slots__ = ("_count_max", "_last")

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._last: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._last)

    def note(self, key: str) -> None:
        """A publication with this idempotency key is in the log."""
        ordinal = ordinal_of(key)
        if ordinal is None:
            return
        producer, sequence = ordinal
        self._last[producer] = max(self._last.get(producer, NONE_YET), sequence)
        self._last.move_to_end(producer)
        if len(self._last) > self._count_max:
            self._last.popitem(last=False)

    def last(self, producer: str) -> int:
        """The highest sequence of a producer that is in the log, `NONE_YET` if none is known."""
        return self._last.get(producer, NONE_YET)
