"""Pages: consecutive entries, each with its own offset."""

from tests.support.doubles import records, segment
from websocket_handler.logs.page import Page, entries_after, moved_to, page_in, page_of
from websocket_handler.ports.log_store import Tail
from websocket_handler.protocol.messages import Position


def offsets(page: Page) -> list[int]:
    """What the entries say."""
    return [entry.offset for entry in page.entries]


def test_a_page_ends_at_its_last_entry_or_where_it_begins() -> None:
    page = page_of("e", 3, records(4, 6))
    assert (page.after, page.last, page.position) == (3, 6, Position("e", 6))
    assert page_of("e", 3, []).position == Position("e", 3)
    assert moved_to("e", 7) == Page("e", 7, 7, (), recovered=False)


def test_a_page_is_cut_at_an_offset() -> None:
    page = page_of("e", 3, records(4, 6))
    assert page.until(6) is page
    assert offsets(page.until(5)) == [4, 5]
    assert (page.until(3).last, offsets(page.until(3))) == (3, [])


def test_the_first_part_has_at_least_one_entry_and_keeps_both_maxima() -> None:
    page = page_of("e", 0, records(1, 5))
    size = len(page.entries[0].payload)
    assert offsets(page.first_part(2, 10_000)) == [1, 2]
    assert offsets(page.first_part(10, 3 * size)) == [1, 2, 3]
    assert offsets(page.first_part(10, 3 * size - 1)) == [1, 2]
    assert offsets(page.first_part(10, 0)) == [1]
    assert page.first_part(5, 5 * size) is page
    assert not page_of("e", 0, records(1, 5), recovered=False).first_part(2, 10_000).recovered


def test_what_is_behind_the_first_part_goes_on_right_after_it() -> None:
    page = page_of("e", 0, records(1, 5))
    rest = page.behind(page.first_part(2, 10_000))
    assert (rest.after, offsets(rest), rest.last) == (2, [3, 4, 5], 5)
    assert (rest.behind(rest).after, offsets(rest.behind(rest))) == (5, [])


def test_the_entries_of_a_segment_after_an_offset() -> None:
    part = segment(4, 6)
    assert entries_after(part, 3) is part.records
    assert [entry.offset for entry in entries_after(part, 5)] == [6]
    assert list(entries_after(part, 6)) == []


def test_a_page_is_found_only_where_the_read_goes_on_in_the_same_epoch() -> None:
    tail = Tail("e", 6, 0, (segment(1, 3), segment(4, 6)))
    found = page_in(tail, "e", 2)
    assert found is not None
    assert (found.after, offsets(found)) == (2, [3, 4, 5, 6])
    assert page_in(tail, "other", 2) is None
    assert page_in(tail, "e", 6) is None
    assert page_in(Tail("e", 9, 0, (segment(4, 9),)), "e", 2) is None
    assert page_in(Tail("e", 6, 0, ()), "e", 6) is None
