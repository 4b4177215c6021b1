"""One read of a log under way, whoever asks: who is answered by which page, and what is read next."""

from random import Random
from typing import Any

import pytest

from tests.support.doubles import DOWN, EMPTY, HandStore, segment, tail
from websocket_handler.logs.shared_reads import SharedReads, has_next, is_left_out, next_offset
from websocket_handler.ports.log_store import Tail, Unavailable

ANSWERS_MAX = 1_000


class Desk:
    """The reads of one project, a store that the test answers for, and who asked."""

    def __init__(self) -> None:
        self.store = HandStore()
        self.seen: list[Any] = []
        self.reads = SharedReads("p", self.store, self.seen.append)
        self.told: dict[str, Any] = {}
        self.gone: set[str] = set()

    def ask(self, name: str, after: int, epoch: str = "e") -> None:
        def done(answer: Tail | Unavailable) -> None:
            assert name not in self.told, "answered once"
            self.told[name] = answer

        self.reads.read(after, epoch, done, lambda: name not in self.gone)

    @property
    def asked(self) -> list[int]:
        """The offsets of the reads under way."""
        return [after for after, _ in self.store.reads]

    def turn(self) -> int | None:
        """The store asks after which offset to read, now that it could begin."""
        at_turn = self.store.at_turns[-1]
        assert at_turn is not None
        return at_turn()


def test_a_crowd_causes_one_read_at_a_time() -> None:
    desk = Desk()
    for offset in range(100):
        desk.ask(f"c{offset}", offset)
    assert desk.asked == [0]


def test_a_page_answers_everyone_for_whom_it_has_the_next_entry_and_nobody_else() -> None:
    desk = Desk()
    for offset in (4, 5, 8, 9, 10, 11):
        desk.ask(f"c{offset}", offset)
    page = tail(6, 10)
    assert desk.store.answer_read(tail(4, 5)) == 4
    assert list(desk.told) == ["c4"]
    assert desk.store.answer_read(page) == 5
    assert list(desk.told) == ["c4", "c5", "c8", "c9"]
    assert desk.told["c9"] is page
    assert desk.asked == [10]


def test_the_lowest_offset_is_read_after_as_it_is_when_the_turn_comes() -> None:
    desk = Desk()
    desk.ask("late", 50)
    desk.ask("early", 7)
    assert desk.turn() == 7
    desk.store.answer_read(tail(8, 60))
    assert list(desk.told) == ["late", "early"]
    assert desk.asked == []


def test_a_walk_goes_on_to_its_end_before_the_next_one_begins() -> None:
    desk = Desk()
    desk.ask("first", 0)
    desk.ask("far", 25)
    desk.store.answer_read(tail(1, 10))
    desk.ask("newcomer", 3)
    assert desk.asked == [25], "the newcomer waits for the next walk"
    desk.store.answer_read(tail(26, 30))
    assert desk.asked == [3]


def test_newcomers_do_not_keep_a_walk_from_its_end() -> None:
    """Ten clients read on and on, new ones begin at the start all the time, and everyone gets through."""
    desk, random = Desk(), Random(1)
    places = {f"c{number}": 0 for number in range(10)}
    for name in places:
        desk.ask(name, 0)
    desk.ask("far", 990)
    for answer in range(ANSWERS_MAX):
        after = desk.asked[0]
        desk.store.answer_read(tail(after + 1, min(after + random.randint(5, 15), 1_000)))
        if "far" in desk.told:
            break
        for name in [name for name in desk.told if name in places]:
            places[name] = desk.told.pop(name).segments[-1].last
            desk.ask(name, places[name])
        desk.ask(f"new{answer}", 0)
    assert "far" in desk.told


def test_who_asks_while_an_answer_is_passed_on_gets_it_too() -> None:
    desk = Desk()
    desk.reads.read(3, "e", lambda _answer: desk.ask("again", 5), lambda: True)
    page = tail(4, 9)
    desk.store.answer_read(page)
    assert desk.told["again"] is page
    assert desk.asked == []


def test_who_asks_for_what_is_behind_the_page_while_it_is_passed_on_waits_for_the_next_one() -> None:
    desk = Desk()
    desk.reads.read(3, "e", lambda _answer: desk.ask("again", 9), lambda: True)
    desk.store.answer_read(tail(4, 9))
    assert desk.told == {}
    assert desk.asked == [9]


def test_a_store_that_does_not_answer_is_told_to_all_who_wait() -> None:
    desk = Desk()
    for offset in (3, 70, 900):
        desk.ask(f"c{offset}", offset)
    desk.store.answer_read(DOWN)
    assert list(desk.told.values()) == [DOWN] * 3
    assert desk.asked == []


def test_a_read_that_nobody_waits_for_is_not_begun() -> None:
    desk = Desk()
    desk.ask("first", 0)
    desk.ask("second", 20)
    desk.gone.add("second")
    desk.store.answer_read(tail(1, 10))
    assert desk.asked == []
    assert desk.told["second"].is_unwanted, "who asked is answered all the same, once"


def test_a_read_that_nobody_waits_for_when_its_turn_comes_is_called_off() -> None:
    desk = Desk()
    desk.ask("first", 4)
    desk.gone.add("first")
    assert desk.turn() is None
    assert desk.told["first"].is_unwanted
    desk.store.answer_read(Unavailable("nobody waits", is_unwanted=True))
    assert desk.asked == []
    assert desk.seen == [], "it says nothing about the log"


def test_who_comes_after_a_read_was_called_off_gets_one_of_its_own() -> None:
    desk = Desk()
    desk.ask("first", 4)
    desk.gone.add("first")
    assert desk.turn() is None
    desk.ask("second", 9)
    desk.store.answer_read(Unavailable("nobody waits", is_unwanted=True))
    assert desk.asked == [9]
    desk.store.answer_read(tail(10, 12))
    assert isinstance(desk.told["second"], Tail)


def test_what_is_no_longer_retained_is_told_to_all_whom_it_concerns() -> None:
    desk = Desk()
    for offset in (3, 5, 7, 8):
        desk.ask(f"c{offset}", offset)
    assert desk.turn() == 3
    gone = tail(1, 0, floor=7)
    desk.store.answer_read(gone)
    assert list(desk.told) == ["c3", "c5"]
    assert desk.asked == [7]


def test_a_log_that_is_gone_is_told_to_all_who_asked_before() -> None:
    desk = Desk()
    desk.ask("first", 3)
    desk.ask("second", 9)
    assert desk.turn() == 3
    desk.ask("third", 9)
    desk.store.answer_read(EMPTY)
    assert list(desk.told) == ["first", "second"], "the third one came when the read was under way"
    assert desk.asked == [9]


def test_a_page_of_another_log_answers_only_those_who_asked_before_it_was_read() -> None:
    desk = Desk()
    desk.ask("old", 3, epoch="e")
    assert desk.turn() == 3
    desk.ask("new", 3, epoch="f")
    desk.ask("same", 3, epoch="e")
    other = tail(4, 9, epoch="g")
    desk.store.answer_read(other)
    assert desk.told == {"old": other}
    desk.store.answer_read(tail(4, 9, epoch="f"))
    assert sorted(desk.told) == ["new", "old", "same"]


def test_a_store_that_answers_at_once_is_asked_in_a_loop() -> None:
    class Prompt(HandStore):
        """Answers before it returns, one entry at a time."""

        def read(self, project_id: str, after: int, done: Any, at_turn: Any = None) -> None:
            self.asked += 1
            done(tail(after + 1, after + 1))

    store = Prompt()
    reads = SharedReads("p", store, lambda _answer: None)
    place = 0

    def done(answer: Tail | Unavailable) -> None:
        nonlocal place
        assert isinstance(answer, Tail)
        place = answer.segments[-1].last
        if place < 10_000:  # far deeper than calls may be nested
            reads.read(place, "e", done, lambda: True)

    reads.read(0, "e", done, lambda: True)
    assert (place, store.asked) == (10_000, 10_000)


@pytest.mark.parametrize(
    ("offsets", "ended_at", "expected"),
    [([], 0, None), ([5], 0, 5), ([9, 5, 7], 6, 7), ([9, 5, 7], 7, 7), ([9, 5, 7], 10, 5), ([9, 5, 7], 9, 9)],
)
def test_the_next_read_goes_on_or_begins_anew(offsets: list[int], ended_at: int, expected: int | None) -> None:
    assert next_offset(offsets, ended_at) == expected


def test_a_page_has_what_follows_from_before_its_first_entry_to_before_its_last() -> None:
    page = Tail("e", 20, 0, (segment(4, 6), segment(7, 9)))
    assert [offset for offset in range(15) if has_next(page, offset, "e")] == [3, 4, 5, 6, 7, 8]
    assert not any(has_next(page, offset, "f") for offset in range(15))
    assert not is_left_out(page, 0)
    assert [offset for offset in range(10) if is_left_out(Tail("e", 20, 4, ()), offset)] == [0, 1, 2, 3]
