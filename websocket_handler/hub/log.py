"""A project's log: the publications this node keeps, and where a cursor on it may start.

A position is an *epoch* and an *offset*. The first publication of an epoch has offset 1, and each next one is exactly
one higher. A new epoch begins only when the numbering itself was lost. `first` is the oldest retained offset, `head`
the newest; an empty log has `first == head + 1`.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from msgspec import Struct

from websocket_handler.protocol.messages import Position

NEVER_S: Final = float("inf")
"""The time of what does not exist."""
PUBLICATION_OVERHEAD_BYTES: Final = 150
"""How much memory a retained publication takes beside its payload: the objects around it, on CPython 3.11."""


class Publication(Struct, frozen=True, array_like=True, gc=False):
    """One entry of a project's log.

    `payload` is the complete JSON text that subscribers get. `published_at` is wall-clock seconds. `key` is the
    publisher's idempotency key, and `digest` tells two bodies under one key apart; they are "" and b"" without a key.
    """

    payload: bytes
    published_at: float
    key: str = ""
    digest: bytes = b""
    offset: int = 0
    """0 only in records that an older gateway wrote, until the store's adapter fills it in. It is the last field, so
    that those records can still be read."""


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How much of a project's log a node retains. The tightest limit counts."""

    messages: int = 1000
    bytes: int = 1_048_576
    seconds: float = 3600.0


class Start(Struct, frozen=True, gc=False):
    """Where a cursor starts: after `offset`. `recovered` is false if the client cannot have what it asked for.
    `snapshot` is the push that tells what was before, if the client asked for one."""

    offset: int
    recovered: bool
    snapshot: bytes = b""


class ProjectLog:
    """A ring of publications, bounded by count, bytes and age."""

    __slots__ = ("_entries", "_oldest_at", "bytes", "epoch", "floor", "head", "limits")

    def __init__(self, epoch: str, head: int, limits: LogLimits) -> None:
        self.epoch = epoch
        self.head = head
        self.floor = head
        """The offset before the oldest publication that a durable store can still give, as far as is known."""
        self.bytes = 0
        self.limits = limits
        self._entries: deque[Publication] = deque()
        self._oldest_at = NEVER_S
        """When the oldest publication was published. With many projects, a look at that publication is a wait for
        memory."""

    @property
    def first(self) -> int:
        """The offset of the oldest publication in memory; `head + 1` if there is none."""
        return self._entries[0].offset if self._entries else self.head + 1

    @property
    def beginning(self) -> int:
        """The offset before the oldest publication that can still be read, from memory or from the store."""
        return min(self.floor, self.first - 1)

    @property
    def position(self) -> Position:
        """The position after the newest publication."""
        return Position(self.epoch, self.head)

    def __len__(self) -> int:
        return len(self._entries)

    def extend(self, publications: Sequence[Publication], now: float) -> None:
        """Append publications right after `head`. `now` is wall-clock seconds."""
        entries, limits, size = self._entries, self.limits, self.bytes
        if publications:
            self.head = publications[-1].offset
            if not entries:
                self._oldest_at = publications[0].published_at
            entries.extend(publications)
        for publication in publications:
            size += len(publication.payload) + PUBLICATION_OVERHEAD_BYTES
        self.bytes = size
        if len(entries) > limits.messages or size > limits.bytes or self._oldest_at < now - limits.seconds:
            self.trim(now)

    def trim(self, now: float) -> None:
        """Remove the oldest publications until the log keeps its limits. `now` is wall-clock seconds."""
        limits, entries = self.limits, self._entries
        oldest = now - limits.seconds
        while entries and (
            len(entries) > limits.messages or self.bytes > limits.bytes or entries[0].published_at < oldest
        ):
            self._drop_first()

    def shrink(self, bytes_max: int) -> int:
        """Remove the oldest publications until at most `bytes_max` bytes are retained. Returns how many bytes that
        freed."""
        before = self.bytes
        while self._entries and self.bytes > bytes_max:
            self._drop_first()
        return before - self.bytes

    def _drop_first(self) -> None:
        entries = self._entries
        self.bytes -= len(entries.popleft().payload) + PUBLICATION_OVERHEAD_BYTES
        self._oldest_at = entries[0].published_at if entries else NEVER_S

    def covers(self, offset: int) -> bool:
        """True if every publication after `offset` is in memory."""
        return self.first - 1 <= offset <= self.head

    def after(self, offset: int, count_max: int, bytes_max: int) -> list[Publication]:
        """The publications after `offset`, at least one if there are any, within both maxima.

        The caller has made sure that the log covers `offset`.
        """
        assert self.covers(offset), "only a covered offset can be continued"
        page: list[Publication] = []
        size = 0
        skipped = offset + 1 - self.first
        for publication in islice(self._entries, skipped, skipped + count_max):
            size += len(publication.payload)
            if page and size > bytes_max:
                break
            page.append(publication)
        return page

    def start(self, since: Position | None, rewind: int | None, floor: int) -> Start:
        """Find where a new cursor starts.

        `floor` is the offset before the oldest publication that any reader can still get: `first - 1` here, or less if
        the log store reaches further back.
        """
        if since is not None:
            if since.epoch == self.epoch and floor <= since.offset <= self.head:
                return Start(since.offset, recovered=True)
            return Start(floor, recovered=False)
        if rewind is not None:
            return Start(max(floor, self.head - rewind), recovered=True)
        return Start(self.head, recovered=True)
