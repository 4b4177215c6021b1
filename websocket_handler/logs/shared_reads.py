"""Reads of the log store after one offset, shared: a thousand clients that resume from one position cause one read."""

from collections.abc import Callable
from functools import partial

from websocket_handler.ports.log_store import LogStore, Tail, Unavailable

Read = Callable[[Tail | Unavailable], None]


class SharedReads:
    """The reads of one project that are under way."""

    __slots__ = ("_answered", "_project_id", "_store", "_waiting")

    def __init__(self, project_id: str, store: LogStore, answered: Read) -> None:
        """`answered` sees every answer first."""
        self._project_id = project_id
        self._store = store
        self._answered = answered
        self._waiting: dict[int, list[Read]] = {}
        """Who waits, by the offset that is read after; an entry lives as long as its read."""

    def read(self, after: int, done: Read) -> None:
        """Read the store after the offset `after`."""
        waiting = self._waiting.get(after)
        if waiting is not None:
            waiting.append(done)
            return
        self._waiting[after] = [done]
        self._store.read(self._project_id, after, partial(self._answer, after))

    def _answer(self, after: int, tail: Tail | Unavailable) -> None:
        self._answered(tail)
        for done in self._waiting.pop(after):
            done(tail)
