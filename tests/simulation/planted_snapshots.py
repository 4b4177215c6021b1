"""Bugs on purpose in the snapshots of runs."""

from collections.abc import Callable
from typing import Any, Final

from msgspec import structs
from msgspec.json import decode, encode

from tests.simulation.planted_updates import Patch
from websocket_handler.hub.log import Start
from websocket_handler.logs import saved_runs
from websocket_handler.logs.feed import Feed
from websocket_handler.logs.kept_runs import KeptRuns
from websocket_handler.logs.runs import fitting
from websocket_handler.logs.runs import snapshot as snapshots
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.saved_runs import SavedRuns
from websocket_handler.ports.log_store import Snapshot
from websocket_handler.protocol.codes import CommandError


def a_snapshot_is_saved_with_the_next_offset() -> list[Patch]:
    """Whoever goes on with it leaves an entry out."""
    module: Any = fitting
    snapshot_of = module.snapshot_of

    def changed(fold: Fold) -> Any:
        fields = snapshot_of(fold)
        return fields | {"offset": fields["offset"] + 1}

    return [(fitting, "snapshot_of", changed)]


def a_snapshot_is_called_one_newer_than_it_is() -> list[Patch]:
    """Nobody reads on with what it lacks, and it may stand in the place of the right one."""

    def changed(epoch: str, offset: int, data: bytes) -> Snapshot:
        return Snapshot(epoch, offset + 1, data)

    return [(saved_runs, "Snapshot", changed)]


def the_tail_begins_one_too_late() -> list[Patch]:
    return _tail_moved_by(1)


def the_tail_begins_one_too_early() -> list[Patch]:
    return _tail_moved_by(-1)


def _tail_moved_by(offsets: int) -> list[Patch]:
    place: Any = SavedRuns.place

    def changed(self: Any, done: Any, is_wanted: Any) -> None:
        def placed(start: Start | CommandError) -> None:
            log = self._journal.log
            if isinstance(start, Start) and log.first <= start.offset + offsets <= log.head:
                start = structs.replace(start, offset=start.offset + offsets)
            done(start)

        place(self, placed, is_wanted)

    return [(SavedRuns, "place", changed)]


def a_snapshot_of_a_lost_log_is_used() -> list[Patch]:
    saved_was: Any = SavedRuns._saved_was

    def changed(self: Any, epoch: str, answer: Any) -> None:
        if isinstance(answer, Snapshot):
            log = self._journal.log
            data = decode(answer.data)
            offset = min(data["offset"], log.head)
            answer = Snapshot(epoch, offset, encode(data | {"offset": offset}))
        saved_was(self, epoch, answer)

    return [(SavedRuns, "_saved_was", changed)]


def what_follows_a_snapshot_is_not_folded() -> list[Patch]:
    adopt: Any = KeptRuns.adopt

    def changed(self: Any, fold: Fold, began_at: int) -> None:
        fold.offset = self._log().head
        adopt(self, fold, began_at)

    return [(KeptRuns, "adopt", changed)]


def a_gap_behind_a_snapshot_is_hidden() -> list[Patch]:
    take: Any = saved_runs._Making.take

    def changed(self: Any, page: Any, project_id: str) -> None:
        take(self, structs.replace(page, recovered=True), project_id)

    return [(saved_runs._Making, "take", changed)]


def front_ends_do_not_ask_for_what_was_saved() -> list[Patch]:
    async def changed(_self: Any) -> None:
        """It takes what the node has folded."""

    return [(Feed, "know_runs", changed)]


def a_snapshot_that_may_be_loaded_counts_as_whole() -> list[Patch]:
    load: Any = snapshots.load

    def changed(stored: bytes, *more: Any) -> Any:
        fold = load(stored, *more)
        fold.messages.truncated = False
        return fold

    return [(snapshots, "load", changed)]


PLANTS: Final[dict[str, Callable[[], list[Patch]]]] = {
    plant.__name__.replace("_", " "): plant
    for plant in (
        a_snapshot_is_saved_with_the_next_offset,
        a_snapshot_is_called_one_newer_than_it_is,
        the_tail_begins_one_too_late,
        the_tail_begins_one_too_early,
        a_snapshot_of_a_lost_log_is_used,
        what_follows_a_snapshot_is_not_folded,
        a_gap_behind_a_snapshot_is_hidden,
        front_ends_do_not_ask_for_what_was_saved,
        a_snapshot_that_may_be_loaded_counts_as_whole,
    )
}
