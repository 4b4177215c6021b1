"""What is known of a log: numbers, places, confirmations, and places that hold something else than before."""

from websocket_handler.cli.verify.ledger import FOREIGN, Ledger, Place


def test_each_publication_has_a_number_of_its_own() -> None:
    ledger = Ledger()
    assert [ledger.new_number() for _ in range(3)] == [0, 1, 2]


def test_the_head_is_the_last_confirmed_place_of_the_newest_epoch() -> None:
    ledger = Ledger()
    assert ledger.head is None
    ledger.note(0, Place("e1", 9))
    assert ledger.head is None, "nobody confirmed it"
    ledger.confirm(0, Place("e1", 9))
    ledger.confirm(1, Place("e1", 8))
    assert ledger.head == Place("e1", 9)
    ledger.confirm(2, Place("e2", 1))
    assert ledger.head == Place("e2", 1)


def test_a_place_that_holds_another_publication_than_before_is_a_fork() -> None:
    ledger = Ledger()
    ledger.confirm(0, Place("e1", 1))
    ledger.note(0, Place("e1", 1))
    ledger.note(0, Place("e2", 1))
    ledger.note(1, Place("e2", 2))
    ledger.note(FOREIGN, Place("e2", 3))
    assert ledger.forked == 0
    ledger.note(1, Place("e1", 1))
    assert ledger.forked == 1
    ledger.note(FOREIGN, Place("e2", 2))
    assert ledger.forked == 2


def test_every_place_of_a_publication_is_known_once() -> None:
    ledger = Ledger()
    for place in (Place("e1", 1), Place("e1", 2), Place("e1", 1)):
        ledger.note(0, place)
    assert list(ledger.places(0)) == [Place("e1", 1), Place("e1", 2)]
    assert list(ledger.places(1)) == []
    ledger.note(FOREIGN, Place("e1", 3))
    assert list(ledger.places(FOREIGN)) == [], "those of others have no numbers"


def test_confirmed_publications_of_a_stretch_are_counted_however_long_it_is() -> None:
    ledger = Ledger()
    for offset in range(1, 6):
        ledger.note(offset, Place("e1", offset))
    for offset in (2, 3, 5):
        ledger.confirm(offset, Place("e1", offset))
    assert ledger.confirmed_in("e1", range(2, 5)) == 2
    assert ledger.confirmed_in("e1", range(1, 10**12)) == 3
    assert ledger.confirmed_in("e2", range(1, 5)) == 0
