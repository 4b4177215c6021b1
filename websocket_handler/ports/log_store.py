"""The durable home of project logs.

Each method answers by calling `done` exactly once, from the event loop's thread, and may do so before it returns. The
memory store answers at once, so a publication is delivered in the same turn of the loop. A remote store answers later,
and publications that arrive meanwhile wait for the next segment.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from msgspec import Struct

from websocket_handler.hub.log import ProjectLog, Publication

Record = Publication
BEGUN_S: Final = 3600.0
"""For how many seconds after the last `begin` a store knows under which epoch an empty log will begin."""


@dataclass(frozen=True, slots=True)
class SegmentLimits:
    """The most that one segment of a store may hold. A single publication may be larger than `bytes`."""

    messages: int
    bytes: int
    object_bytes: int = 1_048_576
    """The largest object of a publisher that the store takes, with the longest project id and the longest key."""


class Segment(Struct, frozen=True, gc=False):
    """Publications that are written together. `writer` is a new id for every set of records. A writer that did not get
    the answer to its write finds its id in what it reads, and so knows that the write succeeded."""

    epoch: str
    first: int
    writer: str
    records: Sequence[Record]
    may_move: bool = False
    """True if the store may write it with later offsets, behind what other writers wrote first."""

    @property
    def last(self) -> int:
        """The offset of the last record."""
        return self.first + len(self.records) - 1


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a project's log: consecutive segments up to its head, oldest first.

    `epoch` is None if the store has no log for the project. `floor` is the offset before the oldest publication that
    `read` can still give.
    """

    epoch: str | None
    head: int
    floor: int
    segments: Sequence[Segment]
    log: ProjectLog | None = field(default=None, compare=False)
    """The log itself, if the store keeps it in the memory of this process and for this node alone. The caller may then
    read it in place. Each `append` continues it before it answers."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The segment is durable: it survives a crash of the node."""

    missed: Sequence[Segment] = ()
    """What other writers wrote between the head that the caller knew and its segment, oldest first."""
    moved: Segment | None = None
    """The segment as it stands in the log, if the store gave it later offsets, behind what the caller missed."""
    log: ProjectLog | None = field(default=None, compare=False)
    """As in `Tail`, if the segment is the first one of its log."""


@dataclass(frozen=True, slots=True)
class Behind:
    """Another writer's segment holds this offset, or one of ours whose answer was lost. Nothing was written. The caller
    reads the tail, delivers what it missed, and writes again after it."""


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The store never takes a segment of this size. Nothing was written, and the store works."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The store did not answer in time, or was not asked because it has too much to do. It may have written the
    segment, or may still write it. The next write tells: then the answer is `Behind`."""

    reason: str
    retry_after_s: float = 0.0
    """In how many seconds the store will have done what waits now; 0 if nobody knows."""
    is_unwanted: bool = False
    """True if the store was not asked, because nobody waited for the answer any more."""


def always() -> bool:
    """True: for a request that somebody waits for in any case."""
    return True


SNAPSHOT_BYTES_MAX: Final = 393_216
"""Every store takes a snapshot of this size."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the runs of a project had become at one position of its log."""

    epoch: str
    offset: int
    data: bytes
    """The fold, as `logs/runs/snapshot.py` writes it."""


class SnapshotStore(Protocol):
    """Keeps the newest snapshot of each project beside its log. A store may lose one: then readers have what the log
    retains."""

    def keep(self, project_id: str, snapshot: Snapshot, done: Callable[[bool | Unavailable], None]) -> None:
        """Keep a snapshot in place of the one before. The answer is False, and nothing was written, if the one before
        has the same epoch and an offset that is not lower.

        One of another epoch is replaced. A store that knows the end of the log at once may answer False to a snapshot
        that lies behind it, or has another epoch. A snapshot lives as long as a log that nobody writes to.
        """
        ...

    def newest(
        self,
        project_id: str,
        done: Callable[[Snapshot | Unavailable | None], None],
        is_wanted: Callable[[], bool] = always,
    ) -> None:
        """Give the snapshot that is kept; None if there is none. The caller compares its epoch with that of the log.

        A request may have to wait for its turn. If `is_wanted` returns False when its turn comes, the store reads
        nothing and answers `Unavailable` with `is_unwanted`.
        """
        ...


class LogStore(Protocol):
    """Keeps the logs. It writes only where the log ends, so two nodes can neither overwrite nor reorder each other's
    segments."""

    name: str
    """Its name in the answer of `/ready`."""

    is_shared: bool
    """True if another node may write to the same logs."""

    limits: SegmentLimits
    """The most that one `append` takes."""

    @property
    def snapshots(self) -> SnapshotStore:
        """Where the snapshots of runs are kept."""
        ...

    def open(
        self, project_id: str, done: Callable[[Tail | Unavailable], None], is_wanted: Callable[[], bool] = always
    ) -> None:
        """Read the end of the log, as much as history and idempotency keys need. The read is strongly consistent.

        A request may have to wait for its turn. If `is_wanted` returns False when its turn comes, the store reads
        nothing and answers `Unavailable` with `is_unwanted`.
        """
        ...

    def begin(self, project_id: str, epoch: str, done: Callable[[str | Unavailable], None]) -> None:
        """Agree with the other nodes on the epoch of an empty log: on `epoch`, or on the one that another node gave
        before. The answer is that epoch. All nodes get the same one, as long as one of them asks again within
        `BEGUN_S`.

        The caller has looked just before, and the log was empty. So what is kept here ends long before a log that is
        written meanwhile, and no log gets the epoch of an older one.
        """
        ...

    def append(
        self, project_id: str, segment: Segment, done: Callable[[Committed | Behind | TooLarge | Unavailable], None]
    ) -> None:
        """Write `segment` if and only if no segment starts at its first offset and its epoch continues the log. The
        caller has at most one append under way per project, and appends right after the head that it knows. The store
        retries on its own for a limited time, and then answers `Unavailable`.

        Where another writer was first, and the segment `may_move`, a store may write it right behind what the caller
        missed instead, with the offsets that come next; never if what was missed has one of its idempotency keys.
        """
        ...

    def read(
        self,
        project_id: str,
        after: int,
        done: Callable[[Tail | Unavailable], None],
        at_turn: Callable[[], int | None] | None = None,
    ) -> None:
        """Read consecutive segments that continue after the offset `after`; the first one may begin earlier. Their size
        is limited, but there is at least one if there is any. The answer has no segment if nothing follows, or if what
        followed is no longer retained; `floor` tells which.

        A request may have to wait for its turn. When its turn comes, the store calls `at_turn`, which returns the
        offset after which to read instead; or None if nobody waits any more. Then the store reads nothing and answers
        `Unavailable` with `is_unwanted`.
        """
        ...

    async def check(self) -> None:
        """Ask the store if it can be used, so that `failure` is right without traffic. It is called every few seconds,
        and it never raises."""
        ...

    def failure(self) -> str | None:
        """Why the store cannot be used at the moment, for `/ready`; None if its last answer was good."""
        ...
