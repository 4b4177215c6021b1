"""A page: consecutive entries of a project's log, as every reader of the log gets them.

Every entry carries its own offset. No code derives an offset by counting entries, so that one entry may later stand
for a range of offsets.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from websocket_handler.hub.log import Publication
from websocket_handler.ports.log_store import Segment, Tail
from websocket_handler.protocol.messages import Position


class Page(Struct, frozen=True, gc=False):
    """The entries after the offset `after`, up to and including the offset `last`. If there are none, `last` equals
    `after`.

    `recovered` is false if the page does not continue where its reader asked: the entries in between are no longer
    retained, or it is another log. The reader goes on from `after`.
    """

    epoch: str
    after: int
    last: int
    entries: Sequence[Publication]
    recovered: bool = True

    @property
    def position(self) -> Position:
        """The position after the last entry."""
        return Position(self.epoch, self.last)

    @property
    def payloads(self) -> list[bytes]:
        """What subscribers get, entry by entry."""
        return [entry.payload for entry in self.entries]

    def until(self, offset: int) -> "Page":
        """The beginning of the page, up to and including `offset`."""
        if self.last <= offset:
            return self
        return page_of(self.epoch, self.after, [entry for entry in self.entries if entry.offset <= offset])

    def first_part(self, count_max: int, bytes_max: int) -> "Page":
        """The beginning of the page within both maxima: at least one entry, if there is one."""
        size = 0
        for index, entry in enumerate(self.entries):
            size += len(entry.payload)
            if index and (size > bytes_max or index >= count_max):
                return page_of(self.epoch, self.after, self.entries[:index], recovered=self.recovered)
        return self

    def behind(self, part: "Page") -> "Page":
        """The rest of the page after its beginning `part`."""
        return page_of(self.epoch, part.last, self.entries[len(part.entries) :])


def page_of(epoch: str, after: int, entries: Sequence[Publication], *, recovered: bool = True) -> Page:
    """A page of these entries, which follow right after `after`."""
    return Page(epoch, after, entries[-1].offset if entries else after, entries, recovered)


def moved_to(epoch: str, offset: int) -> Page:
    """The answer to a reader whose position is not in the log: go on from here."""
    return Page(epoch, offset, offset, (), recovered=False)


def entries_after(segment: Segment, offset: int) -> Sequence[Publication]:
    """The entries of a segment after `offset`."""
    if segment.first > offset:
        return segment.records
    return [entry for entry in segment.records if entry.offset > offset]


def page_in(tail: Tail, epoch: str, offset: int) -> Page | None:
    """A page of what was read from the store after `offset`. None if it does not continue there, or has another
    epoch."""
    segments = tail.segments
    if tail.epoch != epoch or not segments or not segments[0].first <= offset + 1 <= segments[-1].last:
        return None
    return page_of(epoch, offset, list(_entries(segments, offset)))


def _entries(segments: Sequence[Segment], offset: int) -> Iterable[Publication]:
    for segment in segments:
        yield from entries_after(segment, offset)
