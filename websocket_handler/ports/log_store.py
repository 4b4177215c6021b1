"""The durable home of project logs.

All methods answer by calling `done` exactly once, from the event loop's thread, possibly before they return:
the memory store answers at once and a publication leaves in the same turn; a remote store answers later and
publications that arrive meanwhile wait for the next segment.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from websocket_handler.hub.log import Publication

Record = Publication


@dataclass(frozen=True, slots=True)
class SegmentLimits:
    """The most that one segment of a store may hold. A single publication may be larger than `bytes`."""

    messages: int
    bytes: int
    object_bytes: int = 1_048_576
    """The largest object of a publisher that the store takes, whatever its project and its key are."""


class Segment(Struct, frozen=True):
    """Publications that are written together. `writer` is unique per attempt to write *these* records: a
    writer that lost the answer to its write finds it again in what it reads."""

    epoch: str
    first: int
    writer: str
    records: Sequence[Record]

    @property
    def last(self) -> int:
        """The offset of the last record."""
        return self.first + len(self.records) - 1


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a project's log: consecutive segments up to its head, oldest first.

    `epoch` is None where the store has no log for the project. `floor` is the offset before the oldest
    publication that `read` can still give.
    """

    epoch: str | None
    head: int
    floor: int
    segments: Sequence[Segment]


@dataclass(frozen=True, slots=True)
class Committed:
    """The segment is durable: no crash takes it back."""


@dataclass(frozen=True, slots=True)
class Behind:
    """Somebody else's segment (or an earlier attempt of ours) holds this offset. Nothing was written: read the
    tail, deliver what was missed, and write again after it."""


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The store never takes a segment of this size. Nothing was written, and nothing is wrong with the store."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The store did not answer within its bounded wait. The write may or may not have happened, or may still
    happen: `Behind` on the next write will tell."""

    reason: str


class LogStore(Protocol):
    """Keeps the logs. Writes are compare-and-append: two nodes can neither overwrite nor reorder each other."""

    name: str
    """What `/ready` calls it."""

    is_shared: bool
    """True if another node may write to the same logs."""

    limits: SegmentLimits
    """What `append` takes at once."""

    def open(self, project_id: str, done: Callable[[Tail | Unavailable], None]) -> None:
        """Read the tail as far as history and key window need it, strongly consistent."""
        ...

    def append(
        self, project_id: str, segment: Segment, done: Callable[[Committed | Behind | TooLarge | Unavailable], None]
    ) -> None:
        """Write `segment` if and only if no segment starts at its first offset, and its epoch continues the
        log. The caller has at most one append under way per project, and appends right after the head it
        knows. Waits and retries on its own, within a bound, then answers `Unavailable`."""
        ...

    def read(self, project_id: str, after: int, done: Callable[[Tail | Unavailable], None]) -> None:
        """Some consecutive segments that continue after `after` (the first may begin earlier), a bounded
        number of bytes, at least one if there is one. Empty when nothing follows, or when what followed
        is no longer retained: `floor` tells."""
        ...

    async def check(self) -> None:
        """Ask the store whether it is there, so that `failure` is right without traffic. Called every few
        seconds; never raises."""
        ...

    def failure(self) -> str | None:
        """Why the store cannot be used at the moment, for `/ready`; None when it answered last time."""
        ...
