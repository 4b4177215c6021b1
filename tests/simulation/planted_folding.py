"""Bugs on purpose in joined deltas."""

from collections.abc import Callable
from typing import Any

from msgspec import structs

from tests.simulation.planted_updates import Patch
from websocket_handler.logs import folding
from websocket_handler.logs.fan_out import FanOut
from websocket_handler.logs.folding import Folding
from websocket_handler.protocol.deltas import Delta


def joined_deltas_begin_one_too_low() -> list[Patch]:
    joined: Any = folding._joined

    def changed(run: Any, last: Any) -> Any:
        entry, first = joined(run, last), run[0].offset
        lower = entry.payload.replace(b'"first_offset":%d,' % first, b'"first_offset":%d,' % (first - 1))
        return structs.replace(entry, payload=lower)

    return [(folding, "_joined", changed)]


def deltas_are_joined_over_what_stands_between() -> list[Patch]:
    fold: Any = folding.fold

    def changed(entries: Any, bytes_max: int) -> Any:
        return fold([entry for entry in entries if b'"delta"' in entry.payload] or entries, bytes_max)

    return [(folding, "fold", changed), (Delta, "continues", _is_same_text)]


def _is_same_text(self: Any, earlier: Any) -> bool:
    return bool(self.alike == earlier.alike)


def texts_of_different_names_are_joined() -> list[Patch]:
    return [(Delta, "continues", lambda self, earlier: self.offset == earlier.offset + 1)]


def the_last_piece_is_left_out() -> list[Patch]:
    joined: Any = folding._joined

    def changed(run: Any, last: Any) -> Any:
        return joined([*run[:-1], structs.replace(run[-1], piece=b"")], last)

    return [(folding, "_joined", changed)]


def a_kept_page_is_taken_for_a_longer_one() -> list[Patch]:
    folded: Any = Folding.folded

    def changed(self: Any, project_id: str, page: Any) -> Any:
        kept = self._kept
        for key in list(kept):
            if key[:3] == (project_id, page.epoch, page.after) and len(page.entries) > 1:
                kept.setdefault((*key[:3], page.last), kept[key])
        return folded(self, project_id, page)

    return [(Folding, "folded", changed)]


def joined_deltas_go_to_everyone() -> list[Patch]:
    send: Any = FanOut._send

    def changed(self: Any, cursor: Any, page: Any) -> None:
        cursor.folds = True
        send(self, cursor, page)

    return [(FanOut, "_send", changed)]


PLANTS: dict[str, Callable[[], list[Patch]]] = {
    plant.__name__.replace("_", " "): plant
    for plant in (
        joined_deltas_begin_one_too_low,
        deltas_are_joined_over_what_stands_between,
        texts_of_different_names_are_joined,
        the_last_piece_is_left_out,
        a_kept_page_is_taken_for_a_longer_one,
        joined_deltas_go_to_everyone,
    )
}
