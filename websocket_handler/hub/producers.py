"""How far the publications of each producer have come in one project's log."""

from typing import Final

from websocket_handler.protocol.ordinal import ordinal_of

NONE_YET: Final = -1
"""Stands for the last sequence of a producer of which none is known."""


class Producers:
    """The highest sequence of each producer. Their number is limited; the producer that published longest ago is
    forgotten first."""

    __slots__ = ("_count_max", "_last")

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._last: dict[str, int] = {}
        """The producer that published longest ago comes first."""

    def __len__(self) -> int:
        return len(self._last)

    def note(self, key: str) -> None:
        """A publication with this idempotency key is in the log."""
        ordinal = ordinal_of(key)
        if ordinal is None:
            return
        producer, sequence = ordinal
        self._last[producer] = max(self._last.pop(producer, NONE_YET), sequence)
        if len(self._last) > self._count_max:
            del self._last[next(iter(self._last))]

    def last(self, producer: str) -> int:
        """The highest sequence of a producer that is in the log; `NONE_YET` if none is known."""
        return self._last.get(producer, NONE_YET)
