"""The one pull cursor: it waits for news, and a reset is news."""

import asyncio

import pytest

from tests.support.deltas import delta
from tests.support.doubles import DOWN, EMPTY, SHORT, Bench, opened, segment, tail
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.hub.log import Start
from websocket_handler.logs.feed import Feed, PageLimits
from websocket_handler.logs.page import Page
from websocket_handler.ports.log_store import Tail
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position

PAGE = PageLimits(messages=100, bytes=1_000_000)


def waiting_for(feed: Feed, wait_s: float) -> asyncio.Task[Page | None]:
    """A reader that waits for news."""
    return asyncio.get_running_loop().create_task(feed.next(wait_s))


def shown(page: Page | None) -> tuple[int, list[int], bool]:
    """After, offsets, recovered."""
    assert page is not None
    return page.after, [entry.offset for entry in page.entries], page.recovered


@in_virtual_time
async def test_what_is_there_comes_at_once_and_the_cursor_moves_behind_it() -> None:
    bench = opened(at=tail(1, 3))
    with bench.project.feed(PageLimits(2, 1000)) as feed:
        assert shown(await feed.next(10)) == (0, [1, 2], True)
        assert shown(await feed.next(10)) == (2, [3], True)
        assert feed.position == Position("e", 3)


@in_virtual_time
async def test_nothing_new_within_its_time_is_none() -> None:
    bench = opened(at=tail(1, 3))
    begun = asyncio.get_running_loop().time()
    with bench.project.feed(PAGE, after=3) as feed:
        assert await feed.next(0) is None
        assert await feed.next(10) is None
        assert asyncio.get_running_loop().time() == begun + 10
        assert feed.position == Position("e", 3)


@in_virtual_time
async def test_a_publication_wakes_everyone_who_waits() -> None:
    bench = opened()
    feeds = [bench.project.feed(PAGE) for _ in range(3)]
    readers = [waiting_for(feed, 60) for feed in feeds]
    await settle()
    bench.publish()
    bench.commit()
    assert [shown(await reader) for reader in readers] == [(0, [1], True)] * 3


@in_virtual_time
async def test_a_reset_wakes_everyone_who_waits_and_the_next_page_goes_on_in_the_new_log() -> None:
    bench = opened(at=tail(1, 3))
    feed = bench.project.feed(PAGE, after=3)
    reader = waiting_for(feed, 60)
    await settle()
    bench.project.journal.refresh(lambda _fault: None)
    bench.hand.answer_read(tail(1, 2, epoch="f"))
    bench.hand.opened(tail(1, 2, epoch="f"))
    await settle()
    assert bench.hand.answer_read(Tail("f", 2, 0, ())) == 2, "another node may know the position"
    assert shown(await reader) == (0, [1, 2], False)
    assert feed.position == Position("f", 2)


@in_virtual_time
async def test_who_asked_for_any_log_and_got_nothing_misses_nothing_in_another_log() -> None:
    """Seed 4044: the node had begun an empty log of its own, and another node's log took its place."""
    bench = opened()
    feed = bench.project.feed(PAGE)
    reader = waiting_for(feed, 60)
    await settle()
    bench.project.journal.refresh(lambda _fault: None)
    bench.hand.answer_read(tail(1, 2, epoch="f"))
    bench.hand.opened(tail(1, 2, epoch="f"))
    assert shown(await reader) == (0, [1, 2], True)
    assert feed.position == Position("f", 2)


@in_virtual_time
async def test_who_is_woken_for_another_reason_waits_on_unless_it_is_over() -> None:
    bench = opened(at=tail(1, 1))
    ends: list[bool] = []
    feed = bench.project.feed(PAGE, after=1, is_over=lambda: bool(ends))
    reader = waiting_for(feed, 60)
    await settle()
    bench.project.wake()
    await settle()
    assert not reader.done()
    ends.append(True)
    bench.project.wake()
    assert await reader is None


@in_virtual_time
async def test_a_store_that_fails_is_told_and_the_position_stays() -> None:
    bench = opened(at=Tail("e", 9, 0, (segment(1, 9),)), limits=SHORT)
    with bench.project.feed(PAGE, after=2, epoch="e") as feed:
        reader = waiting_for(feed, 60)
        await settle()
        bench.hand.answer_read(DOWN)
        with pytest.raises(CommandError) as caught:
            await reader
        assert caught.value.code is ErrorCode.STORE_UNAVAILABLE
        assert feed.position == Position("e", 2)


@in_virtual_time
async def test_a_feed_begins_where_it_was_asked_to_or_at_the_end() -> None:
    bench = opened(at=tail(1, 3))
    resuming, fresh = bench.project.feed(PAGE), bench.project.feed(PAGE)
    assert await resuming.begin(Position("e", 1)) == Start(1, recovered=True)
    assert await fresh.begin(None) == Start(3, recovered=True)
    assert shown(await resuming.next(0)) == (1, [2, 3], True)
    assert await fresh.next(0) is None


@in_virtual_time
async def test_a_position_of_another_epoch_goes_on_at_the_oldest_entry() -> None:
    bench = opened(at=tail(1, 3))
    feed = bench.project.feed(PAGE, after=2, epoch="other")
    reader = waiting_for(feed, 60)
    await settle()
    bench.hand.answer_read(Tail("e", 3, 0, ()))
    assert shown(await reader) == (0, [1, 2, 3], False)


@in_virtual_time
async def test_a_feed_keeps_its_project_open_until_it_is_closed() -> None:
    bench = Bench()
    bench.hand.opened(EMPTY)
    feed = bench.project.feed(PAGE)
    assert not bench.project.is_idle
    feed.close()
    feed.close()
    assert bench.project.is_idle


@in_virtual_time
async def test_a_feed_that_folds_gives_joined_deltas_and_moves_behind_all_of_them() -> None:
    bench = opened()
    for piece in "abcde":
        bench.publish(delta(piece))
    bench.commit()
    with bench.project.feed(PageLimits(3, 1_000_000), folds=True) as feed:
        pages = [await feed.next(10), await feed.next(10)]
        assert [shown(page) for page in pages] == [(0, [3], True), (3, [5], True)]
        assert feed.position.offset == 5
    with bench.project.feed(PAGE) as dense:
        assert shown(await dense.next(10)) == (0, [1, 2, 3, 4, 5], True)


@in_virtual_time
async def test_a_feed_waits_until_the_runs_are_known_or_hears_why_they_are_not() -> None:
    bench = opened(at=tail(5, 6))
    with bench.project.feed(PAGE) as feed:
        asking = asyncio.create_task(feed.know_runs())
        await settle()
        bench.hand.snapshots.asked.pop()[1](DOWN)
        with pytest.raises(CommandError) as fault:
            await asking
        assert fault.value.code == ErrorCode.STORE_UNAVAILABLE
        asking = asyncio.create_task(feed.know_runs())
        await settle()
        bench.hand.snapshots.asked.pop()[1](None)
        await asking
        await feed.know_runs()
        assert bench.hand.snapshots.asked == []
