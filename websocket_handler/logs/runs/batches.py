"""Folds entries of a log. Deltas of one text that follow each other are folded as one, because each alone costs as much
as all of them together. What comes of it is the same."""

from collections.abc import Iterator, Sequence

from websocket_handler.hub.log import Publication
from websocket_handler.logs.runs.fold import Fold, Folded
from websocket_handler.protocol.deltas import Delta, joined, next_delta, read_delta


def fold_all(fold: Fold, entries: Sequence[Publication]) -> Iterator[Folded]:
    """Fold entries, and tell what became of each event that was not simply in its place."""
    before: Delta | None = None
    run: list[Delta] = []
    for entry in entries:
        if entry.offset <= fold.offset:
            continue
        if before is not None:  # nearly always one more delta of the same text
            delta = next_delta(entry.payload, entry.offset, before)
            if delta is not None:
                run.append(delta)
                before = delta
                continue
        delta = read_delta(entry.payload, entry.offset, before)
        if delta is None or before is None or not delta.continues(before):
            yield from _fold_run(fold, run)
            run = []
            folded = fold.publication(entry.payload)
            if folded is not None and folded.problems:
                yield folded
                before = None  # what follows is not in its place either
            else:
                before = delta
        else:
            run.append(delta)
            before = delta
    yield from _fold_run(fold, run)


def _fold_run(fold: Fold, run: Sequence[Delta]) -> Iterator[Folded]:
    """Fold deltas that continue one that was in its place."""
    if not run:
        return
    offset = fold.offset
    if len(run) > 1:
        folded = fold.publication(joined(run[0], run[-1], [delta.piece for delta in run]))
        if folded is not None and folded.counts and not folded.problems:
            return
        fold.offset = offset  # there was no space for all of them: perhaps there is for some
    for delta in run:
        folded = fold.publication(delta.payload)
        if folded is not None and folded.problems:
            yield folded
