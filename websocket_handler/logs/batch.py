"""The publications of the segment that is being written, and how large the next segment may be."""

from collections.abc import Callable, Sequence
from typing import Final

from websocket_handler.logs.queue import PublicationQueue, Waiting
from websocket_handler.ports.log_store import SegmentLimits
from websocket_handler.protocol.codes import CommandError, ErrorCode

RACES_MAX: Final = 100
"""After so many lost races in a row publishers are told to retry: another node writes faster than this one reads."""


class Batch:
    """What was taken out of the queue, and goes back in front if another writer was first."""

    __slots__ = ("_limits", "_queue", "_races", "_store_limits", "_written_bytes", "written")

    def __init__(self, queue: PublicationQueue, limits: SegmentLimits) -> None:
        """`limits` are those of the store."""
        self._queue = queue
        self._store_limits = limits
        self._limits = limits
        """What the next segment may hold: less than usual after one was too large for the store."""
        self.written: Sequence[Waiting] = ()
        """The publications of the segment that is being written; empty in all states but APPENDING. Other classes may
        only look at it."""
        self._written_bytes: int | None = None
        """Their size; None until somebody asks, because a store that answers at once leaves no time to ask."""
        self._races = 0
        """Lost races since the last commit."""

    def __len__(self) -> int:
        return len(self.written)

    @property
    def has_more(self) -> bool:
        """True while publications wait for the segment after the one that is being written."""
        return bool(self._queue.waiting)

    def check_room(self, count: int, size: int) -> None:
        """Raises CommandError with `overloaded` unless `count` more publications of `size` bytes together may wait."""
        if self.written:  # they have to wait again if another writer is first
            if self._written_bytes is None:
                self._written_bytes = sum([waiting.publication.size for waiting in self.written])
            count, size = count + len(self.written), size + self._written_bytes
        self._queue.check_room(count, size)

    @property
    def is_full(self) -> bool:
        """True if those that wait fill the next segment."""
        queue, limits = self._queue, self._limits
        return len(queue.waiting) >= limits.messages or queue.bytes >= limits.bytes

    def next_ones(self) -> list[Waiting]:
        """Take those out of the queue that fit into the next segment."""
        queue = self._queue
        if len(queue.waiting) == 1:
            return queue.take_all()
        return queue.take(self._limits)

    def begin(self, written: Sequence[Waiting]) -> None:
        """These are being written."""
        self.written = written
        self._written_bytes = None

    def begin_again(self, count: int) -> None:
        """The first `count` in the queue were written after all."""
        self.begin(self._queue.take_again(count))

    def commit(self) -> Sequence[Waiting]:
        """Those that are being written are in the store. The next segment may be as large as usual."""
        self._races = 0
        self._limits = self._store_limits
        written, self.written = self.written, ()
        return written

    def lose(self) -> bool:
        """Another writer was first: let them wait again. Returns False if that happened too often in a row."""
        self._queue.put_back(self._take())
        self._races = (self._races + 1) % (RACES_MAX + 1)
        return self._races > 0

    def divide(self) -> None:
        """The store takes no segment of this size, although each publication was small enough where it came in. The
        halves are written one after the other, so that only the publication is refused that is to blame."""
        written = self._take()
        if len(written) > 1:
            self._queue.put_back(written)
            self._limits = SegmentLimits(len(written) // 2, self._limits.bytes)
        else:
            self._limits = self._store_limits
            reason = "the log store takes no publication of this size"
            written[0].answer(CommandError(ErrorCode.MESSAGE_TOO_LARGE, reason))

    def refuse_all(self, fault: Callable[[], CommandError]) -> None:
        """Answer everyone who waits, each with its own fault."""
        for waiting in [*self._take(), *self._queue.take_all()]:
            waiting.answer(fault())

    def _take(self) -> Sequence[Waiting]:
        written, self.written = self.written, ()
        return written
