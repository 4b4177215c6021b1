"""Folding: runs of deltas become one entry each, and a page that was folded once is not folded again."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.deltas import delta, delta_entries, ranges, text_of
from tests.support.doubles import records
from tests.support.publications import wire
from tests.support.spec_files import is_valid, named, vectors
from websocket_handler.hub.log import Publication
from websocket_handler.logs.folding import Folding, fold
from websocket_handler.logs.page import Page, page_of

MAX = 65_536


def entries_of(vector: dict[str, Any]) -> list[Publication]:
    """The log of a vector."""
    return [Publication(text.encode(), 1.0, offset=json.loads(text)["offset"]) for text in vector["publications"]]


@pytest.mark.parametrize("vector", vectors("folding"), ids=named)
def test_deltas_are_joined_as_the_specification_says(vector: dict[str, Any]) -> None:
    found = fold(entries_of(vector), vector.get("limit_bytes", MAX))
    assert [entry.payload.decode() for entry in found] == vector["folded"]
    assert [entry.offset for entry in found] == [json.loads(entry.payload)["offset"] for entry in found]
    assert all(is_valid("server-message.json", entry.payload) for entry in found)


def test_what_is_joined_has_the_time_of_its_last_delta_and_no_key() -> None:
    entries = [
        Publication(entry.payload, wall, "key", b"digest", entry.offset)
        for entry, wall in zip(delta_entries(["a", "b"]), (1.0, 2.0), strict=True)
    ]
    (found,) = fold(entries, MAX)
    assert (found.published_at, found.key, found.digest, found.offset) == (2.0, "", b"", 2)


def test_deltas_around_a_hole_are_not_joined() -> None:
    entries = delta_entries(list("abcd"))
    del entries[1]
    assert ranges([json.loads(entry.payload) for entry in fold(entries, MAX)]) == [(1, 1), (3, 4)]


def test_a_long_text_is_divided_at_the_limit_and_nothing_of_it_is_lost() -> None:
    pieces = [f"word{number} " for number in range(500)]
    entries = delta_entries(pieces)
    for most in (150, 200, 1000, MAX):
        messages = [json.loads(entry.payload) for entry in fold(entries, most)]
        assert text_of(messages) == "".join(pieces)
        ends = [last for _, last in ranges(messages)]
        assert [first for first, _ in ranges(messages)] == [1, *(last + 1 for last in ends[:-1])]
        assert all(len(entry.payload) <= most for entry in fold(entries, most))


def test_a_delta_that_is_larger_than_the_limit_comes_as_it_is() -> None:
    entries = delta_entries(["a" * 300, "b"])
    assert fold(entries, 200) == entries


@given(
    st.lists(st.tuples(st.sampled_from(["m1", "m1", "m1", "m2", ""]), st.text("ab :,{}ü", max_size=9)), max_size=40),
    st.integers(60, 400),
    st.integers(0, 40),
)
def test_whatever_is_in_a_log_and_wherever_a_reader_begins_the_texts_are_those_of_the_log(
    parts: list[tuple[str, str]], most: int, after: int
) -> None:
    """Each text whole and in its order, everything else as it was, and no offset twice or left out."""
    bodies = [delta(piece, message) if message else b'{"n":1}' for message, piece in parts]
    entries = [Publication(wire(body, n), 1.0, offset=n) for n, body in enumerate(bodies, 1)][after:]
    found = fold(entries, most)
    messages = [json.loads(entry.payload) for entry in found]
    covered = [offset for first, last in ranges(messages) for offset in range(first, last + 1)]
    assert covered == [entry.offset for entry in entries]
    for name in ("m1", "m2"):
        dense = [piece for message, piece in parts[after:] if message == name]
        assert text_of([message for message in messages if message.get("messageId") == name]) == "".join(dense)
    assert all(len(entry.payload) <= most for entry in found if entry not in entries)
    for entry, following in pairwise(messages):
        may_join = entry.get("messageId") == following.get("messageId") is not None
        longer = len(json.dumps(following, separators=(",", ":"), ensure_ascii=False).encode())
        assert not may_join or longer + len(entry["delta"].encode()) > most - 60, "what fits is joined"


# Pages


def page(first: int, last: int, *, recovered: bool = True) -> Page:
    """A page of one long text."""
    return page_of("e", first - 1, delta_entries([f"{n} " for n in range(first, last + 1)], first), recovered=recovered)


def test_a_folded_page_begins_and_ends_where_the_page_does() -> None:
    found = Folding(MAX).folded("p", page(4, 9, recovered=False))
    assert (found.epoch, found.after, found.last, found.recovered) == ("e", 3, 9, False)
    assert ranges([json.loads(payload) for payload in found.payloads]) == [(4, 9)]


def test_a_thousand_readers_at_one_place_cost_one_fold() -> None:
    folding = Folding(MAX)
    asked = [page(1, 100), page(1, 100, recovered=False)] * 500
    pages = [folding.folded("p", one) for one in asked]
    assert folding.folds == 1
    assert len({id(found.entries) for found in pages}) == 1
    assert [found.recovered for found in pages] == [True, False] * 500


def test_each_place_of_each_log_has_its_own_pages() -> None:
    folding = Folding(MAX)
    other = page_of("f", 0, delta_entries(["x", "y"]))
    for found in (page(1, 2), page(1, 3), page(2, 3), other):
        assert folding.folded("p", found).entries == fold(found.entries, MAX)
    assert (
        folding.folded("q", page_of("e", 0, delta_entries(["q", "r"]))).payloads
        != folding.folded("p", page(1, 2)).payloads
    )
    assert folding.folds == 5


def test_a_page_of_one_entry_is_passed_on_at_once() -> None:
    folding = Folding(MAX)
    for lone in (page(1, 1), page_of("e", 5, [])):
        assert folding.folded("p", lone) is lone
    assert folding.folds == 0


def test_a_page_without_deltas_keeps_its_entries() -> None:
    plain = page_of("e", 0, records(1, 5))
    assert list(Folding(MAX).folded("p", plain).entries) == plain.entries


def test_what_is_kept_is_bounded_and_the_oldest_goes_first() -> None:
    size = len(fold(page(1, 9).entries, MAX)[0].payload) + 150
    folding = Folding(MAX, kept_bytes_max=2 * size)
    one, two, three = page(1, 9), page_of("f", 0, page(1, 9).entries), page_of("g", 0, page(1, 9).entries)
    for used in (one, two, one, three):  # `two` was used longest ago, so it goes
        folding.folded("p", used)
    assert folding.folds == 3
    folding.folded("p", one)
    folding.folded("p", three)
    assert folding.folds == 3
    folding.folded("p", two)
    assert folding.folds == 4
    nothing_kept = Folding(MAX, kept_bytes_max=size - 1)
    nothing_kept.folded("p", one)
    nothing_kept.folded("p", one)
    assert nothing_kept.folds == 2
