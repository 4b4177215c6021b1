"""The updates between receipt and deletion: their handles, and the room for further ones."""

from dataclasses import dataclass

from msgspec.structs import force_setattr

from tests.support.publications import prepared
from websocket_handler.delivery.held_updates import ReadUpdate
from websocket_handler.delivery.updates_under_way import UNDER_WAY_BYTES_MAX, UNDER_WAY_MAX, UpdatesUnderWay


@dataclass
class Waiting:
    """How much of it waits for others."""

    count: int = 0
    bytes: int = 0


def received(under_way: UpdatesUnderWay, count: int = 1, size: int | None = None) -> list[ReadUpdate]:
    """Add this many updates."""
    updates = [ReadUpdate(f"u{index}", f"h{index}", prepared(), is_broadcast=False) for index in range(count)]
    for update in updates:
        if size is not None:
            force_setattr(update.publication, "size", size)
        under_way.add(update)
    under_way.measure_room()
    return updates


def test_an_update_is_there_from_its_receipt_until_its_deletion() -> None:
    under_way = UpdatesUnderWay(Waiting())
    assert (under_way.is_empty, under_way.handles) == (True, [])
    first, second = received(under_way, 2)
    under_way.published(second)
    assert (under_way.is_empty, under_way.handles) == (False, ["h0", "h1"])
    under_way.published(first)
    assert (under_way.published_first(10), under_way.has_published.is_set()) == (["h1", "h0"], True)
    under_way.deleted(1)
    assert (under_way.handles, under_way.has_published.is_set()) == (["h0"], True)
    under_way.deleted(1)
    assert (under_way.is_empty, under_way.has_published.is_set()) == (True, False)


def test_an_update_that_is_left_is_not_deleted() -> None:
    under_way = UpdatesUnderWay(Waiting())
    (update,) = received(under_way)
    under_way.left(update)
    assert (under_way.is_empty, under_way.has_published.is_set()) == (True, False)


def test_there_is_room_for_one_less_than_the_maximum_however_far_each_one_is() -> None:
    under_way = UpdatesUnderWay(Waiting())
    updates = received(under_way, UNDER_WAY_MAX - 1)
    assert under_way.has_room.is_set()
    under_way.add(ReadUpdate("last", "last", prepared(), is_broadcast=False))
    under_way.measure_room()
    assert not under_way.has_room.is_set()
    under_way.published(updates[0])
    assert not under_way.has_room.is_set(), "its message is not deleted yet"
    under_way.deleted(1)
    assert under_way.has_room.is_set()


def test_what_waits_for_others_takes_no_room() -> None:
    waiting = Waiting()
    under_way = UpdatesUnderWay(waiting)
    received(under_way, UNDER_WAY_MAX)
    assert not under_way.has_room.is_set()
    waiting.count = 1
    under_way.measure_room()
    assert under_way.has_room.is_set()


def test_bytes_count_like_updates() -> None:
    waiting = Waiting()
    under_way = UpdatesUnderWay(waiting)
    one, _ = received(under_way, 2, UNDER_WAY_BYTES_MAX // 2)
    assert not under_way.has_room.is_set()
    waiting.bytes = 1
    under_way.measure_room()
    assert under_way.has_room.is_set()
    waiting.bytes = 0
    under_way.left(one)
    assert under_way.has_room.is_set()
