"""Reads of one project's log from the store. All readers share them: only one read is under way.

A waiter is answered from the first page that has what follows its offset. The next read continues where the last page
ended, as long as somebody waits there or further on. Then it begins at the lowest offset for which anybody waits. So a
crowd at a thousand offsets causes one walk through the log, and nobody waits for longer than two walks. (If a walk
always began at the lowest offset, it would never reach the others while new readers keep coming.)
"""

from collections.abc import Callable
from dataclasses import dataclass

from websocket_handler.ports.log_store import LogStore, Tail, Unavailable

Read = Callable[[Tail | Unavailable], None]
IsWanted = Callable[[], bool]
NOBODY_WAITS = Unavailable("nobody waits for it any more", is_unwanted=True)


@dataclass(frozen=True, slots=True, eq=False)
class Waiter:
    """A reader that waits for what follows the offset `after` of an epoch."""

    after: int
    epoch: str
    done: Read
    is_wanted: IsWanted
    begun: int
    """How many reads had begun when it came. Those reads cannot tell it that its log was replaced."""


class SharedReads:
    """The read that is under way, and the readers that wait.

    A cursor or a feed waits at most once, so the limits of connections, subscriptions and commands also limit how many
    wait.
    """

    __slots__ = (
        "_after",
        "_answered",
        "_begun",
        "_ended_at",
        "_is_going_on",
        "_is_reading",
        "_project_id",
        "_store",
        "_told",
        "_waiting",
    )

    def __init__(self, project_id: str, store: LogStore, answered: Read) -> None:
        """`answered` is called with every answer first."""
        self._project_id = project_id
        self._store = store
        self._answered = answered
        self._waiting: list[Waiter] = []
        self._told: Tail | Unavailable | None = None
        """The answer, while it is passed on. A reader that asks during that time may get it, too."""
        self._after = 0
        """The offset after which the last read began."""
        self._begun = 0
        """How many reads have begun."""
        self._ended_at = 0
        """The last offset of the last page."""
        self._is_reading = False
        self._is_going_on = False
        """True while `_go_on` runs, so that a store that answers at once does not call it again from inside."""

    def read(self, after: int, epoch: str, done: Read, is_wanted: IsWanted) -> None:
        """Read the store after the offset `after` of the epoch. `done` is called once. No read begins for a reader
        whose `is_wanted` returns False by then."""
        if self._told is not None and has_next(self._told, after, epoch):
            done(self._told)
            return
        self._waiting.append(Waiter(after, epoch, done, is_wanted, self._begun))
        self._go_on()

    def _go_on(self) -> None:
        if self._is_going_on:
            return
        self._is_going_on = True
        while not self._is_reading and (after := self._next()) is not None:
            self._is_reading = True
            self._store.read(self._project_id, after, self._answer, self._next)
        self._is_going_on = False

    def _next(self) -> int | None:
        """The offset after which to read now, for all who wait; None if nobody does. When a read that had to wait
        begins, this is asked again, because many more readers may have come."""
        for waiter in self._take(lambda waiter: not waiter.is_wanted()):
            waiter.done(NOBODY_WAITS)
        self._begun += 1
        after = next_offset([waiter.after for waiter in self._waiting], self._ended_at)
        if after is not None:
            self._after = after
        return after

    def _take(self, is_meant: Callable[[Waiter], bool]) -> list[Waiter]:
        """Take out the waiters for whom `is_meant` is true."""
        taken: list[Waiter] = []
        kept: list[Waiter] = []
        for waiter in self._waiting:
            (taken if is_meant(waiter) else kept).append(waiter)
        self._waiting = kept
        return taken

    def _answer(self, tail: Tail | Unavailable) -> None:
        if not (isinstance(tail, Unavailable) and tail.is_unwanted):  # later readers wait on
            self._pass_on(tail)
        self._is_reading = False
        self._go_on()

    def _pass_on(self, tail: Tail | Unavailable) -> None:
        self._answered(tail)
        if isinstance(tail, Tail) and tail.segments:
            self._ended_at = tail.segments[-1].last
        self._told = tail
        for waiter in self._take(lambda waiter: self._is_told(waiter, tail)):
            waiter.done(tail)
        self._told = None

    def _is_told(self, waiter: Waiter, tail: Tail | Unavailable) -> bool:
        """True if this answer tells the waiter the same as its own read would."""
        if has_next(tail, waiter.after, waiter.epoch):
            return True
        is_asked_for = waiter.begun < self._begun
        return is_asked_for and (waiter.after == self._after or is_left_out(tail, waiter.after))


def next_offset(offsets: list[int], ended_at: int) -> int | None:
    """The one of these offsets after which to read next: the lowest one that is not before the end of the last page,
    else the lowest of all; None if there is none."""
    return min((offset for offset in offsets if offset >= ended_at), default=min(offsets, default=None))


def has_next(tail: Tail | Unavailable, offset: int, epoch: str) -> bool:
    """True if an answer has what follows `offset`, or says that the store does not answer."""
    if isinstance(tail, Unavailable):
        return True
    segments = tail.segments
    return tail.epoch == epoch and bool(segments) and segments[0].first <= offset + 1 <= segments[-1].last


def is_left_out(tail: Tail | Unavailable, offset: int) -> bool:
    """True if an answer says that nothing of what followed `offset` is retained."""
    return isinstance(tail, Tail) and not tail.segments and (tail.epoch is None or offset < tail.floor)
