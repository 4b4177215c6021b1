"""Publications that wait for the log store: limited in number, kept in order, and each answered once."""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from websocket_handler.hub.keys import KeyWindow
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.log_store import SegmentLimits
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.publication import PreparedPublication

Published = Callable[[Position | CommandError], None]
"""Called once: with the publication's position, or with the reason why it was not published."""
Condition = Callable[[], CommandError | None]
"""Asked right before a publication is written, when this node knows what is in the log before it. Returns None if the
publication may be written, or else the answer to its publisher."""
RECORD_OVERHEAD_BYTES = 100
"""How many bytes the end of a publication and a store's encoding add to its head and key at most. The figure is
generous."""


class Waiting(Struct, eq=False, gc=False):
    """A publication before its commit, and the callbacks of its publishers."""

    publication: PreparedPublication
    answer: Published
    """Answers its publisher, and everyone who published the same under the same key."""
    condition: Condition | None = None
    """Neighbours with the same condition are written together or not at all."""
    looks: int = -1
    """How often the log had been read when the guard refused this first; -1 if it has not. See `Journal.guard`."""

    def merge(self, other: "Waiting") -> None:
        """Answer another publication with the same key and body together with this one."""
        if isinstance(self.answer, _Everyone):
            self.answer.publishers.append(other.answer)
        else:
            self.answer = _Everyone([self.answer, other.answer])


class _Everyone:
    """Answers several publishers, in this order."""

    __slots__ = ("publishers",)

    def __init__(self, publishers: list[Published]) -> None:
        self.publishers = publishers

    def __call__(self, answer: Position | CommandError) -> None:
        for done in self.publishers:
            done(answer)


_NOBODY: Final[list[Waiting]] = []
"""Stands for every empty queue, so that a quiet project has no list. Nobody changes it."""


class PublicationQueue:
    """First in, first out. `bytes` is the total size of the heads that wait."""

    __slots__ = ("_limits", "bytes", "has_conditions", "has_keys", "waiting")

    def __init__(self, limits: DeliveryLimits) -> None:
        self._limits = limits
        self.waiting = _NOBODY
        """Oldest first. Other classes may only ask if it is empty. An empty deque takes 600 bytes."""
        self.bytes = 0
        self.has_keys = False
        """True once a publication with an idempotency key has waited. Most projects never see one."""
        self.has_conditions = False
        """True once a publication with a condition has waited."""

    def __len__(self) -> int:
        return len(self.waiting)

    def check_room(self, count: int, size: int) -> None:
        """Raises CommandError with `overloaded` unless `count` more publications of `size` bytes together may wait."""
        limits = self._limits
        if len(self.waiting) + count > limits.pending_messages or self.bytes + size > limits.pending_bytes:
            raise CommandError(ErrorCode.OVERLOADED, "too many publications wait for the log store")

    def add(self, waiting: Waiting) -> None:
        """Let one more wait. The caller has checked that there is room."""
        publication = waiting.publication
        if self.waiting:
            self.waiting.append(waiting)
        else:
            self.waiting = [waiting]
        self.bytes += publication.size
        if publication.key:
            self.has_keys = True
        if waiting.condition is not None:
            self.has_conditions = True

    def take(self, limits: SegmentLimits) -> list[Waiting]:
        """Take the oldest publications that fit into one segment: at least one, if there is one."""
        count = size = 0
        for each in self.waiting[: limits.messages]:
            size += each.publication.size + len(each.publication.key) + RECORD_OVERHEAD_BYTES
            if count and size > limits.bytes:
                break
            count += 1
        return self.take_again(count)

    def put_back(self, batch: Sequence[Waiting]) -> None:
        """Put back the publications that were taken last, in front of all others."""
        self.waiting = [*batch, *self.waiting]
        self.bytes += sum(waiting.publication.size for waiting in batch)

    def take_again(self, count: int) -> list[Waiting]:
        """Take the first `count` publications again: those that were put back."""
        waiting = self.waiting
        if count == len(waiting):
            return self.take_all()
        batch = waiting[:count]
        del waiting[:count]
        self.bytes -= sum([each.publication.size for each in batch])
        return batch

    def take_all(self) -> list[Waiting]:
        """Empty the queue."""
        batch, self.waiting = self.waiting, _NOBODY
        self.bytes = 0
        return batch


def without_known(
    batch: Sequence[Waiting], keys: KeyWindow, epoch: str, now: float
) -> tuple[list[Waiting], Sequence[Waiting]]:
    """The publications of a batch that have to be written, and those that wait until these are. The others are answered
    here, because their key stands for a publication that is already in the log. A key that stands twice in the batch
    is written once. If it stands for two bodies, the second one waits, with all behind it: as long as the first is not
    in the log, nobody may be told that it stands there."""
    new: list[Waiting] = []
    first_with: dict[str, Waiting] = {}
    for place, waiting in enumerate(batch):
        if waiting.publication.key:
            first = first_with.get(waiting.publication.key)
            if first is not None and first.publication.digest != waiting.publication.digest:
                return new, batch[place:]
            if _is_known(waiting, keys, epoch, now, first_with):
                continue
        new.append(waiting)
    return new, ()


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
    first.merge(waiting)
    return True
