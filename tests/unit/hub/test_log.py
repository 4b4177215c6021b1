"""A project's log: its limits at the bound, and where a cursor may start."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.spec_files import named, vectors
from websocket_handler.hub.log import PUBLICATION_OVERHEAD_BYTES, LogLimits, ProjectLog, Publication, Start
from websocket_handler.protocol.messages import Position


def entry(offset: int, size: int = 10, at: float = 0.0) -> Publication:
    """A publication of so many bytes, published then."""
    return Publication(b"x" * size, at, offset=offset)


def log_of(count: int, limits: LogLimits | None = None, *, at: float = 0.0) -> ProjectLog:
    """A log with so many publications."""
    log = ProjectLog("e1", 0, limits or LogLimits())
    log.extend([entry(offset, at=at) for offset in range(1, count + 1)], at)
    return log


def retaining(first: int, head: int) -> ProjectLog:
    """A log that retains these offsets."""
    log = ProjectLog("e1", first - 1, LogLimits(messages=100_000, bytes=10**9))
    log.extend([entry(offset) for offset in range(first, head + 1)], 0.0)
    return log


@pytest.mark.parametrize("vector", vectors("recovery"), ids=named)
def test_a_cursor_starts_where_the_specification_says(vector: dict[str, Any]) -> None:
    log = retaining(vector["log"]["first"], vector["log"]["head"])
    request = vector["request"]
    since = Position(**request["since"]) if "since" in request else None
    start = log.start(since, request.get("rewind"), log.first - 1)
    assert start == Start(vector["expect"]["start"], vector["expect"]["recovered"])


def test_a_store_that_reaches_further_back_moves_the_floor() -> None:
    log = retaining(41, 60)
    assert log.start(Position("e1", 10), None, floor=5) == Start(10, recovered=True)
    assert log.start(Position("e1", 4), None, floor=5) == Start(5, recovered=False)
    assert log.start(None, 1000, floor=5) == Start(5, recovered=True)


def test_an_empty_log() -> None:
    log = ProjectLog("e1", 7, LogLimits())
    assert (log.first, log.head, len(log), log.bytes, log.position) == (8, 7, 0, 0, Position("e1", 7))
    assert log.covers(7)
    assert not log.covers(6)
    assert not log.covers(8)
    assert log.after(7, 10, 10) == []


def test_as_many_publications_as_allowed_and_not_one_more() -> None:
    limits = LogLimits(messages=3)
    assert len(log_of(3, limits)) == 3
    log = log_of(4, limits)
    assert (len(log), log.first, log.head) == (3, 2, 4)


def test_as_many_bytes_as_allowed_and_not_one_more() -> None:
    each = 10 + PUBLICATION_OVERHEAD_BYTES
    assert len(log_of(3, LogLimits(bytes=3 * each))) == 3
    log = log_of(3, LogLimits(bytes=3 * each - 1))
    assert (len(log), log.first, log.bytes) == (2, 2, 2 * each)


def test_a_publication_larger_than_the_log_is_numbered_and_not_kept() -> None:
    log = ProjectLog("e1", 0, LogLimits(bytes=100))
    log.extend([entry(1, 1000)], 0.0)
    assert (len(log), log.first, log.head, log.bytes) == (0, 2, 1, 0)


def test_as_old_as_allowed_and_not_any_older() -> None:
    log = log_of(2, LogLimits(seconds=60), at=1000.0)
    log.trim(1060.0)
    assert len(log) == 2
    log.trim(1060.001)
    assert (len(log), log.first, log.head, log.bytes) == (0, 3, 2, 0)


def test_a_clock_that_is_set_back_drops_nothing() -> None:
    log = log_of(2, LogLimits(seconds=60), at=1000.0)
    log.trim(0.0)
    assert len(log) == 2


def test_shrinking_takes_the_oldest_until_it_fits() -> None:
    each = 10 + PUBLICATION_OVERHEAD_BYTES
    log = log_of(5)
    log.shrink(2 * each)
    assert (log.first, log.bytes) == (4, 2 * each)
    log.shrink(2 * each - 1)
    assert log.first == 5
    log.shrink(0)
    assert (len(log), log.head) == (0, 5)


def test_a_page_is_bounded_in_messages_and_bytes_and_holds_at_least_one() -> None:
    log = log_of(5)
    assert len(log.after(0, 3, 1000)) == 3
    assert len(log.after(0, 100, 20)) == 2
    assert len(log.after(0, 100, 19)) == 1
    assert len(log.after(0, 100, 0)) == 1
    assert len(log.after(4, 100, 1000)) == 1


@given(
    st.lists(st.integers(0, 3000), max_size=60),
    st.integers(1, 10),
    st.integers(1, 10_000),
    st.floats(1, 100),
)
def test_the_tightest_limit_holds_after_every_publication(
    sizes: list[int], messages: int, size_max: int, seconds: float
) -> None:
    log = ProjectLog("e", 0, LogLimits(messages, size_max, seconds))
    now = 0.0
    everything: list[Publication] = []
    for size in sizes:
        now += size % 7
        everything.append(entry(len(everything) + 1, size, now))
        log.extend(everything[-1:], now)
        kept = log.after(log.first - 1, 1000, 10**9)
        assert kept == everything[len(everything) - len(kept) :]
        assert len(kept) <= messages
        assert log.bytes == sum(len(each.payload) + PUBLICATION_OVERHEAD_BYTES for each in kept) <= size_max
        assert all(each.published_at >= now - seconds for each in kept)
        assert log.head == len(everything)
