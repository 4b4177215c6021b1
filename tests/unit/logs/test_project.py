"""One open project: who hears of what its journal does, and how long it is needed."""

from functools import partial

import pytest

from tests.support.doubles import Bench, client_of, opened, tail
from websocket_handler.logs.feed import PageLimits
from websocket_handler.protocol.messages import Position

PAGE = PageLimits(messages=100, bytes=1_000_000)


def pages_of(bench: Bench) -> list[object]:
    """Where the pages of a feed appear that looks once more."""
    pages: list[object] = []
    feed = next(iter(bench.project.feeds))
    feed.look(pages.append)
    return pages


def test_a_commit_reaches_those_who_follow_and_those_who_read() -> None:
    bench = opened()
    connection, _ = bench.follow()
    feed = bench.project.feed(PAGE)
    woken: list[str] = []
    feed.wake = lambda: woken.append("feed")  # type: ignore[method-assign]
    bench.publish(b'{"n":1}')
    assert (client_of(connection).offsets, woken) == ([], []), "committed before seen"
    bench.commit()
    assert (client_of(connection).offsets, woken) == ([1], ["feed"])


def test_a_new_epoch_reaches_those_who_follow_and_those_who_read() -> None:
    bench = opened(at=tail(1, 3))
    connection, _ = bench.follow()
    bench.project.feed(PAGE, after=3, epoch="e")
    bench.project.replaced(Position("f", 0), 0)
    told = client_of(connection).messages
    assert [(one["type"], one["epoch"], one["offset"]) for one in told] == [("subscription_reset", "f", 0)]


def test_every_feed_is_woken_even_if_one_of_them_ends_by_it() -> None:
    bench = opened()
    feeds = [bench.project.feed(PAGE) for _ in range(3)]
    woken: list[int] = []

    def ends(index: int) -> None:
        woken.append(index)
        feeds[index].close()

    for index, feed in enumerate(feeds):
        feed.wake = partial(ends, index)  # type: ignore[method-assign]
    bench.project.wake()
    assert woken == [0, 1, 2]
    assert bench.project.feeds == {}


def test_a_project_is_idle_until_somebody_needs_it_and_again_afterwards() -> None:
    bench = opened()
    project = bench.project
    assert project.is_idle
    connection, _ = bench.follow()
    assert project.is_followed
    assert not project.is_idle
    _, cursor = connection.subscriptions["p"]
    project.fan_out.end_cursor(cursor)
    assert project.is_idle
    feed = project.feed(PAGE)
    assert (project.is_followed, project.is_idle) == (True, False)
    feed.close()
    feed.close()
    assert (project.is_followed, project.is_idle) == (False, True)


def test_a_project_that_nobody_follows_is_not_idle_while_a_publication_waits() -> None:
    bench = opened()
    bench.publish()
    assert (bench.project.is_followed, bench.project.is_idle) == (False, False)
    bench.commit()
    assert bench.project.is_idle


def test_a_project_that_is_being_opened_is_not_idle_while_somebody_waits() -> None:
    bench = Bench()
    bench.publish()
    assert not bench.project.is_idle
    bench.hand.opened(tail(1, 2))
    bench.commit()
    assert bench.project.is_idle


@pytest.mark.parametrize(("after", "epoch", "offsets"), [(0, None, [1, 2, 3]), (2, "e", [3]), (3, "e", [])])
def test_a_feed_begins_where_it_is_told(after: int, epoch: str | None, offsets: list[int]) -> None:
    bench = opened(at=tail(1, 3))
    bench.project.feed(PAGE, after=after, epoch=epoch)
    (page,) = pages_of(bench)
    assert [entry.offset for entry in page.entries] == offsets  # type: ignore[attr-defined]
