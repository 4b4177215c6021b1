"""Each verdict of one subscriber: what keeps a promise, and what breaks it."""

from __future__ import annotations

import pytest

from websocket_handler.cli.verify.ledger import FOREIGN, Ledger, Place
from websocket_handler.cli.verify.witness import Counts, Life, Witness


class Desk:
    """A subscriber that begins at e1:10, and a log whose publication at offset N has the number N."""

    def __init__(self, *confirmed: int) -> None:
        self.ledger = Ledger()
        self.counts = Counts()
        self.witness = Witness(self.ledger, self.counts)
        self.witness.confirmed(Place("e1", 10), recovered=True)
        self.confirm(*confirmed)

    def confirm(self, *offsets: int) -> None:
        for offset in offsets:
            self.ledger.confirm(offset, Place("e1", offset))

    def show(self, *offsets: int) -> None:
        for offset in offsets:
            self.witness.shown(offset, offset)

    def resume(self, offset: int, *, epoch: str = "e1", recovered: bool = True) -> None:
        self.witness.confirmed(Place(epoch, offset), recovered=recovered)

    def found(self) -> dict[str, int]:
        """Every count that is not 0, at the end."""
        self.counts.add(self.witness.conclude())
        return {name: getattr(self.counts, name) for name in Counts.__slots__ if getattr(self.counts, name)}


def test_everything_once_and_in_order_breaks_nothing() -> None:
    desk = Desk(11, 12, 13)
    desk.show(11, 12)
    desk.resume(12)
    desk.show(13)
    assert desk.found() == {"deliveries": 3}
    assert desk.witness.position == Place("e1", 13)


def test_what_was_confirmed_and_never_came_is_lost() -> None:
    desk = Desk(11, 12, 13)
    desk.show(11)
    assert desk.found() == {"deliveries": 1, "lost": 2}


def test_what_was_never_confirmed_need_not_come() -> None:
    desk = Desk(11)
    desk.ledger.note(12, Place("e1", 12))
    desk.show(11)
    assert desk.found() == {"deliveries": 1}


def test_a_gap_is_lost_confirmed_or_not_and_counts_once() -> None:
    desk = Desk(11, 12, 15)
    desk.show(11, 15)
    assert desk.found() == {"deliveries": 2, "lost": 3}


def test_a_gap_that_closes_is_out_of_order_and_not_lost() -> None:
    desk = Desk(11, 12, 13, 14)
    desk.show(11, 14, 12, 13)
    assert desk.found() == {"deliveries": 4, "reordered": 2}


@pytest.mark.parametrize("again", [11, 12, 10, 1])
def test_what_comes_again_is_doubled(again: int) -> None:
    """Also from before its beginning."""
    desk = Desk(11, 12)
    desk.show(11, 12, again)
    assert desk.found() == {"deliveries": 3, "doubled": 1}


def test_what_comes_again_after_a_resume_is_doubled() -> None:
    desk = Desk(11, 12)
    desk.show(11, 12)
    desk.resume(12)
    desk.show(12)
    assert desk.found() == {"deliveries": 3, "doubled": 1}


def test_what_the_log_has_twice_is_doubled() -> None:
    """A repeated publication that the gateway did not recognise by its key."""
    desk = Desk(11)
    desk.show(11)
    desk.witness.shown(12, 11)
    assert desk.found() == {"deliveries": 2, "doubled": 1}


def test_what_stands_elsewhere_than_its_confirmation_said_is_out_of_order() -> None:
    desk = Desk()
    desk.show(11)
    desk.ledger.confirm(11, Place("e1", 900))
    assert desk.found() == {"deliveries": 1, "reordered": 1}


def test_a_publication_before_any_confirmation_is_out_of_order() -> None:
    counts = Counts()
    Witness(Ledger(), counts).shown(1, FOREIGN)
    assert counts == Counts(reordered=1)


@pytest.mark.parametrize(("epoch", "offset"), [("e1", 13), ("e1", 11), ("e2", 12)])
def test_a_recovery_at_another_position_is_false(epoch: str, offset: int) -> None:
    desk = Desk(11, 12)
    desk.show(11, 12)
    desk.resume(offset, epoch=epoch)
    assert desk.found() == {"deliveries": 2, "false_recoveries": 1}
    assert desk.witness.position == Place(epoch, offset), "it goes on there, and finds more"


def test_an_empty_log_may_go_on_in_another_epoch() -> None:
    """As section 4 of the protocol says: nothing is missing. A gap behind it is no less false."""
    for first, false_recoveries in ((1, 0), (2, 1)):
        ledger, counts = Ledger(), Counts()
        witness = Witness(ledger, counts)
        witness.confirmed(Place("e1", 0), recovered=True)
        witness.confirmed(Place("e2", 0), recovered=True)
        witness.shown(first, 0)
        assert counts == Counts(deliveries=1, false_recoveries=false_recoveries)


def test_a_false_recovery_excuses_nothing() -> None:
    desk = Desk(11, 12, 13)
    desk.show(11)
    desk.resume(12)
    desk.show(13)
    assert desk.found() == {"deliveries": 2, "false_recoveries": 1, "lost": 1}


def test_a_gap_right_after_a_recovery_is_a_false_one_and_lost() -> None:
    desk = Desk(11, 12, 13, 14)
    desk.show(11)
    desk.resume(11)
    desk.show(13, 14)
    assert desk.found() == {"deliveries": 3, "false_recoveries": 1, "lost": 1}


def test_a_gap_later_on_is_lost_but_no_false_recovery() -> None:
    desk = Desk(11, 12, 13)
    desk.show(11)
    desk.resume(11)
    desk.show(12, 14)
    assert desk.found() == {"deliveries": 3, "lost": 1}


def test_a_log_that_no_longer_reaches_back_and_says_so_breaks_nothing() -> None:
    desk = Desk(11, 12, 13, 14, 15)
    desk.show(11)
    desk.resume(13, recovered=False)
    desk.show(14, 15)
    assert desk.found() == {"deliveries": 3, "resets": 1, "skipped": 2}


def test_a_reset_while_it_is_connected_is_told_too() -> None:
    desk = Desk(11, 12, 13)
    desk.show(11)
    desk.witness.reset(Place("e1", 12))
    desk.show(13)
    assert desk.found() == {"deliveries": 2, "resets": 1, "skipped": 1}


def test_a_new_epoch_excuses_nothing_that_was_confirmed_in_the_old_one() -> None:
    desk = Desk(11, 12)
    desk.show(11)
    desk.resume(0, epoch="e2", recovered=False)
    desk.ledger.confirm(13, Place("e2", 1))
    desk.witness.shown(1, 13)
    assert desk.found() == {"deliveries": 2, "resets": 1, "lost": 1}


def test_a_new_epoch_that_has_everything_breaks_nothing() -> None:
    """What comes again in it is no double: the client was told to begin anew."""
    desk = Desk(11, 12)
    desk.show(11)
    desk.witness.reset(Place("e2", 0))
    desk.witness.shown(1, 11)
    desk.witness.shown(2, 12)
    assert desk.found() == {"deliveries": 3, "resets": 1}


def test_others_may_publish_in_the_same_project() -> None:
    desk = Desk(11, 13)
    desk.show(11)
    desk.witness.shown(12, FOREIGN)
    desk.show(13)
    desk.witness.shown(14, FOREIGN)
    assert desk.found() == {"deliveries": 4}


def test_how_far_it_is_behind() -> None:
    desk = Desk()
    assert (desk.witness.behind, desk.witness.has_reached(None)) == (0, True)
    desk.confirm(11, 12)
    assert (desk.witness.behind, desk.witness.has_reached(desk.ledger.head)) == (2, False)
    desk.show(11, 12)
    assert (desk.witness.behind, desk.witness.has_reached(desk.ledger.head)) == (0, True)
    desk.witness.reset(Place("e2", 0))
    assert (desk.witness.behind, desk.witness.has_reached(desk.ledger.head)) == (0, False)
    assert not Witness(desk.ledger, desk.counts).has_reached(None), "it has no position yet"


def test_a_life_knows_its_holes_at_every_edge() -> None:
    life = Life(Place("e1", 0))
    assert [life.take(offset) for offset in (10, 5, 1, 9, 5, 10)] == [True, True, True, True, False, False]
    assert list(life.holes) == [range(2, 5), range(6, 9)]
    assert [offset for offset in range(12) if life.has(Place("e1", offset))] == [1, 5, 9, 10]
    assert not life.has(Place("e2", 1))
    for offset in (2, 4, 3, 6, 7, 8):
        assert life.take(offset)
    assert list(life.holes) == []


def test_joined_deltas_of_others_count_one_by_one() -> None:
    desk = Desk(11, 15)
    desk.show(11)
    desk.witness.joined(12, 14)
    desk.show(15)
    assert desk.found() == {"deliveries": 5}
    assert desk.witness.position == Place("e1", 15)


def test_joined_deltas_hide_no_publication_that_was_confirmed_among_them() -> None:
    desk = Desk(11, 13)
    desk.show(11)
    desk.witness.joined(12, 14)
    desk.counts.add(desk.witness.conclude())
    assert desk.ledger.forked == 1
