"""A log as this node knows it: taken over, continued, replaced, and what of a batch is new."""

from tests.support.doubles import Bench, segment, tail
from tests.support.publications import prepared
from websocket_handler.hub.log import Publication
from websocket_handler.logs.local_log import LocalLog
from websocket_handler.logs.page import Page
from websocket_handler.logs.queue import Waiting
from websocket_handler.ports.log_store import Tail, Unavailable
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.messages import Position


class Told:
    """Notes what the observer is told."""

    def __init__(self) -> None:
        self.appended_to: list[int] = []
        self.ends: list[tuple[Position, int]] = []

    def appended(self, page: Page) -> None:
        self.appended_to.append(page.last)

    def replaced(self, end: Position, beginning: int) -> None:
        self.ends.append((end, beginning))


class Desk:
    """A log that was taken over at offset 9, of which this node has the entries from 5 on."""

    def __init__(self) -> None:
        self.bench, self.told = Bench(), Told()
        self.local = LocalLog(self.bench.engine, self.told)
        self.local.adopt(tail(5, 9))


def entry(offset: int, key: str = "") -> Publication:
    return Publication(b"{}", 0.0, key, b"", offset)


def test_the_first_log_is_taken_over_and_is_no_reset() -> None:
    desk = Desk()
    assert desk.told.ends == [(Position("e", 9), 4)]
    assert desk.bench.counters.subscription_resets == 0


def test_another_log_takes_its_place_and_its_keys_go() -> None:
    desk = Desk()
    [kept] = desk.local.next_segment([Waiting(prepared(key="k"), print)]).records
    desk.local.take_in([kept])
    assert desk.local.has_key("k")
    desk.local.adopt(Tail("f", 2, 0, (segment(1, 2),)))
    assert desk.told.ends[1:] == [(Position("f", 2), 0)]
    assert not desk.local.has_key("k")
    assert desk.bench.counters.subscription_resets == 1


def test_a_segment_continues_the_log_and_is_told() -> None:
    desk = Desk()
    new = desk.local.next_segment([Waiting(prepared(), print), Waiting(prepared(), print)])
    assert (new.epoch, new.first, new.last) == ("e", 10, 11)
    assert desk.local.log.head == 9, "it is not written yet"
    desk.local.take_in(new.records)
    assert (desk.local.log.head, desk.told.appended_to) == (11, [11])


def test_what_the_log_holds_already_is_answered_and_not_written() -> None:
    desk = Desk()
    answers: list[Position | CommandError] = []
    first = Waiting(prepared(key="k"), answers.append)
    desk.local.take_in(desk.local.next_segment([first]).records)
    new = Waiting(prepared(), answers.append)
    assert desk.local.without_known([Waiting(prepared(key="k"), answers.append), new]) == ([new], ())
    assert answers == [Position("e", 10)]


def test_the_floor_rises_with_what_is_seen_of_this_log_and_never_falls() -> None:
    desk = Desk()
    for seen in (Tail("e", 9, 6, ()), Tail("e", 9, 5, ()), Tail("other", 9, 8, ()), Unavailable("down")):
        desk.local.saw(seen)
    assert desk.local.log.floor == 6


def test_a_log_goes_on_where_no_hole_is() -> None:
    local = Desk().local
    assert local.goes_on_in(Tail("e", 9, 0, ()))
    assert local.goes_on_in(Tail("e", 12, 0, (segment(10, 12),)))
    assert not local.goes_on_in(Tail("e", 12, 0, (segment(11, 12),))), "10 is missing"
    assert not local.goes_on_in(Tail("e", 12, 10, ())), "what followed is no longer retained"
    assert not local.goes_on_in(Tail("f", 9, 0, ()))
    assert not local.goes_on_in(Tail(None, 0, 0, ()))
