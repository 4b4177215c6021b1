"""Publications that wait for the log store: limited in number, kept in order, and each answered once."""

from collections import deque
from collections.abc import Callable, Sequence

from websocket_handler.hub.keys import KeyWindow, key_conflict
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.log_store import SegmentLimits
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.publication import PreparedPublication

Published = Callable[[Position | CommandError], None]
"""Called once: with the publication's position, or with the reason why it was not published."""
RECORD_OVERHEAD_BYTES = 100
"""How many bytes the end of a publication and a store's encoding add to its head and key at most. The figure is
generous."""


class Waiting:
    """A publication before its commit, and the callbacks of its publishers."""

    __slots__ = ("_also", "_done", "publication")

    def __init__(self, publication: PreparedPublication, done: Published) -> None:
        self.publication = publication
        self._done = done
        self._also: list[Published] = []

    def answer(self, answer: Position | CommandError) -> None:
        """Answer its publisher, and everyone who published the same under the same key."""
        self._done(answer)
        for done in self._also:
            done(answer)

    def merge(self, other: "Waiting") -> None:
        """Answer another publication with the same key and body together with this one."""
        self._also.append(other._done)
        self._also.extend(other._also)


class PublicationQueue:
    """First in, first out. `bytes` is the total size of the heads that wait."""

    __slots__ = ("_limits", "bytes", "waiting")

    def __init__(self, limits: DeliveryLimits) -> None:
        self._limits = limits
        self.waiting: deque[Waiting] = deque()
        """Oldest first. Other classes may only ask if it is empty."""
        self.bytes = 0

    def __len__(self) -> int:
        return len(self.waiting)

    def check_room(self, count: int, size: int) -> None:
        """Raises CommandError with `overloaded` unless `count` more publications of `size` bytes together may wait."""
        limits = self._limits
        if len(self.waiting) + count > limits.pending_messages or self.bytes + size > limits.pending_bytes:
            raise CommandError(ErrorCode.OVERLOADED, "too many publications wait for the log store")

    def add(self, waiting: Waiting) -> None:
        """Let one more wait. The caller has checked that there is room."""
        self.waiting.append(waiting)
        self.bytes += waiting.publication.size

    def take(self, limits: SegmentLimits) -> list[Waiting]:
        """Take the oldest publications that fit into one segment: at least one, if there is one."""
        batch: list[Waiting] = []
        size = 0
        while self.waiting and len(batch) < limits.messages:
            publication = self.waiting[0].publication
            size += publication.size + len(publication.key) + RECORD_OVERHEAD_BYTES
            if batch and size > limits.bytes:
                break
            batch.append(self.waiting.popleft())
            self.bytes -= publication.size
        return batch

    def put_back(self, batch: Sequence[Waiting]) -> None:
        """Put back the publications that were taken last, in front of all others."""
        self.waiting.extendleft(reversed(batch))
        self.bytes += sum(waiting.publication.size for waiting in batch)

    def take_again(self, count: int) -> list[Waiting]:
        """Take the first `count` publications again: those that were put back."""
        batch = [self.waiting.popleft() for _ in range(count)]
        self.bytes -= sum(waiting.publication.size for waiting in batch)
        return batch

    def take_all(self) -> list[Waiting]:
        """Empty the queue."""
        batch = list(self.waiting)
        self.waiting.clear()
        self.bytes = 0
        return batch


def without_known(batch: Sequence[Waiting], keys: KeyWindow, epoch: str, now: float) -> list[Waiting]:
    """The publications of a batch that have to be written. The others are answered here, because their key stands for a
    publication that is already in the log. A key that stands twice in the batch is written once."""
    first_with: dict[str, Waiting] = {}
    return [
        waiting
        for waiting in batch
        if not waiting.publication.key or not _is_known(waiting, keys, epoch, now, first_with)
    ]


def _is_known(waiting: Waiting, keys: KeyWindow, epoch: str, now: float, first_with: dict[str, Waiting]) -> bool:
    publication = waiting.publication
    try:
        offset = keys.find(publication.key, publication.digest, now)
    except CommandError as conflict:
        waiting.answer(conflict)
        return True
    if offset is not None:
        waiting.answer(Position(epoch, offset))
        return True
    first = first_with.setdefault(publication.key, waiting)
    if first is waiting:
        return False
    if first.publication.digest == publication.digest:
        first.merge(waiting)
    else:
        waiting.answer(key_conflict())
    return True
