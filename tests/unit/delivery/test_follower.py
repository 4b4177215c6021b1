"""Looking at what other nodes write: every followed log in turn, and few at a time however slow the store is."""

import asyncio
from collections.abc import Sequence

from tests.support.doubles import DOWN, HandStore, tail
from tests.support.virtual_time import in_virtual_time
from tests.unit.delivery.desk import Desk
from websocket_handler.adapters.memory import MemoryPeers
from websocket_handler.delivery.follower import (
    FOLLOW_INTERVAL_S,
    READS_PER_INTERVAL_MAX,
    READS_UNDER_WAY_MAX,
    Follower,
)


class _Alone:
    """No other node is there."""

    async def announce(self, node_id: str, now: float) -> Sequence[str]:
        return []

    async def leave(self, node_id: str) -> None:
        """Nobody listens."""


def following(projects: int) -> tuple[Desk, HandStore, Follower]:
    """A node with a client on each of so many projects."""
    store = HandStore()
    desk = Desk(store=store)
    connection = desk.connect()
    for number in range(projects):
        desk.subscribe(connection, f"p{number}")
        store.opened(tail(1, 3))
    return desk, store, Follower(_Alone(), desk.node, "n", desk.clock)


def test_as_many_logs_are_looked_at_at_once_as_allowed_and_not_one_more() -> None:
    _, store, follower = following(READS_UNDER_WAY_MAX + 2)
    follower.follow()
    assert len(store.reads) == READS_UNDER_WAY_MAX
    store.answer_read(tail(4, 3))
    assert len(store.reads) == READS_UNDER_WAY_MAX
    for _ in range(READS_UNDER_WAY_MAX + 1):
        store.answer_read(tail(4, 3))
    assert store.reads == []
    assert store.asked == READS_UNDER_WAY_MAX + 2


def test_a_log_whose_look_is_under_way_holds_up_no_other_and_is_not_looked_at_twice() -> None:
    _, store, follower = following(READS_UNDER_WAY_MAX)
    follower.follow()
    for _ in range(READS_UNDER_WAY_MAX - 1):
        store.answer_read(tail(4, 3))
    follower.follow()
    assert len(store.reads) == READS_UNDER_WAY_MAX
    follower.follow()
    assert len(store.reads) == READS_UNDER_WAY_MAX


def test_after_a_failure_the_others_wait_for_the_next_interval() -> None:
    _, store, follower = following(READS_UNDER_WAY_MAX + 1)
    follower.follow()
    for _ in range(READS_UNDER_WAY_MAX):
        store.answer_read(DOWN)
    assert store.reads == []
    follower.follow()
    assert len(store.reads) == READS_UNDER_WAY_MAX


def test_more_logs_than_an_interval_has_room_for_take_turns() -> None:
    desk, store, follower = following(READS_PER_INTERVAL_MAX + 10)
    for _ in range(2):
        follower.follow()
        while store.reads:
            store.answer_read(tail(4, 3))
    looks = [project.journal.call.looks_begun for project in desk.node.projects]
    assert sum(looks) == 2 * READS_PER_INTERVAL_MAX
    assert min(looks) == 1


@in_virtual_time
async def test_another_node_that_says_it_has_started_is_found_within_a_second_or_two() -> None:
    desk, peers = Desk(), MemoryPeers()
    follower = Follower(peers, desk.node, "n", desk.clock)
    assert not follower.is_announced
    running = asyncio.create_task(follower.run())
    await asyncio.sleep(0.5)
    assert (follower.is_announced, list(follower.others)) == (True, [])
    await peers.announce("new", desk.clock.wall())
    await asyncio.sleep(FOLLOW_INTERVAL_S)
    assert not follower.others
    follower.look_soon()
    await asyncio.sleep(FOLLOW_INTERVAL_S)
    assert list(follower.others) == ["new"]
    running.cancel()
