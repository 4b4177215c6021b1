"""Folds pages: a run of deltas of one text becomes one entry that stands for all their offsets.

Only readers that ask for it get folded pages, and only where they are behind. The log itself stays as it is, so a
reader may begin at any offset.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from websocket_handler.hub.log import PUBLICATION_OVERHEAD_BYTES, Publication
from websocket_handler.logs.page import Page
from websocket_handler.protocol.deltas import Delta, joined, joined_bytes, read_delta

KEPT_BYTES_MAX: Final = 4_194_304
"""How many bytes the folded pages that a node keeps may have together."""


class Folding:
    """Folds the pages of one node, and keeps the newest results: a thousand clients that come back to one place cost
    one fold."""

    __slots__ = ("_kept", "_kept_bytes", "_kept_bytes_max", "_message_bytes_max", "folds")

    def __init__(self, message_bytes_max: int, kept_bytes_max: int = KEPT_BYTES_MAX) -> None:
        """A joined publication has at most `message_bytes_max` bytes."""
        self._message_bytes_max = message_bytes_max
        self._kept: OrderedDict[tuple[str, str, int, int], Sequence[Publication]] = OrderedDict()
        self._kept_bytes = 0
        self._kept_bytes_max = kept_bytes_max
        self.folds = 0
        """How many pages were folded, and not found among those that are kept."""

    def folded(self, project_id: str, page: Page) -> Page:
        """The same page with its runs of deltas joined. It begins and ends where `page` does."""
        if len(page.entries) < 2:
            return page
        key = (project_id, page.epoch, page.after, page.last)
        entries = self._kept.get(key)
        if entries is None:
            entries = fold(page.entries, self._message_bytes_max)
            self.folds += 1
            self._keep(key, entries)
        else:
            self._kept.move_to_end(key)
        return Page(page.epoch, page.after, page.last, entries, page.recovered)

    def _keep(self, key: tuple[str, str, int, int], entries: Sequence[Publication]) -> None:
        self._kept[key] = entries
        self._kept_bytes += _size(entries)
        while self._kept_bytes > self._kept_bytes_max:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= _size(oldest)


def _size(entries: Sequence[Publication]) -> int:
    return sum(len(entry.payload) + PUBLICATION_OVERHEAD_BYTES for entry in entries)


def fold(entries: Sequence[Publication], message_bytes_max: int) -> Sequence[Publication]:
    """The entries, with each run of consecutive deltas of one text joined to one entry, as far as that has at most
    `message_bytes_max` bytes. All other entries stay the same objects."""
    found: list[Publication] = []
    run: list[Delta] = []
    pieces_bytes = 0
    for index, entry in enumerate(entries):
        delta = read_delta(entry.payload, entry.offset, run[-1] if run else None)
        if run and (delta is None or not _goes_on(run, delta, pieces_bytes, message_bytes_max)):
            found.append(_joined(run, entries[index - 1]))
            run, pieces_bytes = [], 0
        if delta is None:
            found.append(entry)
        else:
            run.append(delta)
            pieces_bytes += len(delta.piece)
    if run:
        found.append(_joined(run, entries[-1]))
    return found


def _goes_on(run: Sequence[Delta], delta: Delta, pieces_bytes: int, message_bytes_max: int) -> bool:
    if not delta.continues(run[-1]):
        return False
    return joined_bytes(run[0], delta, pieces_bytes + len(delta.piece)) <= message_bytes_max


def _joined(run: Sequence[Delta], last: Publication) -> Publication:
    """The entry that stands for a run, which ends with the entry `last`. A run of one stays as it is."""
    if len(run) == 1:
        return last
    payload = joined(run[0], run[-1], [delta.piece for delta in run])
    return Publication(payload, last.published_at, offset=last.offset)
