"""Updates that wait to be published again: in their order, project by project."""

from tests.support.publications import prepared
from websocket_handler.delivery.held_updates import HeldUpdates, ReadUpdate


def update(update_id: str, project_id: str = "p") -> ReadUpdate:
    return ReadUpdate(update_id, f"handle-{update_id}", prepared(project_id=project_id), is_broadcast=False)


def test_each_projects_updates_are_taken_in_the_order_in_which_they_began_to_wait() -> None:
    held = HeldUpdates()
    for one in (update("1"), update("2", "q"), update("3"), update("4", "q"), update("5")):
        held.add(one, now=0.0)
    taken = [(one.publication.project_id, one.update_id) for one in held.take_all()]
    assert taken == [("p", "1"), ("p", "3"), ("p", "5"), ("q", "2"), ("q", "4")]


def test_a_project_waits_until_all_were_taken() -> None:
    held = HeldUpdates()
    assert (held.holds("p"), len(held)) == (False, 0)
    held.add(update("1"), now=0.0)
    held.add(update("2"), now=0.0)
    assert (held.holds("p"), held.holds("q"), len(held)) == (True, False, 2)
    held.take_all()
    assert (held.holds("p"), len(held), list(held.take_all())) == (False, 0, [])


def test_what_waits_again_is_as_old_as_the_first_time() -> None:
    held = HeldUpdates()
    one = update("1")
    assert one.held_since is None
    held.add(one, now=10.0)
    (again,) = held.take_all()
    held.add(again, now=20.0)
    held.add(later := update("2"), now=20.0)
    assert (again.held_since, later.held_since) == (10.0, 20.0)


def test_what_began_to_wait_at_the_clocks_first_second_keeps_that_second() -> None:
    held = HeldUpdates()
    one = update("1")
    held.add(one, now=0.0)
    held.add(held.take_all()[0], now=5.0)
    assert one.held_since == 0.0


def test_an_update_that_begins_to_wait_later_than_those_behind_it_keeps_its_turn() -> None:
    held = HeldUpdates()
    first, second, third = update("1"), update("2"), update("3")
    for one in (first, second, third):
        held.give_turn(one)
    held.add(second, now=0.0)
    held.add(third, now=0.0)
    held.add(first, now=1.0)
    assert [one.update_id for one in held.take_all()] == ["1", "2", "3"]


def test_an_update_that_is_given_a_turn_twice_keeps_the_first() -> None:
    held = HeldUpdates()
    first, second = update("1"), update("2")
    for one in (first, second, first):
        held.give_turn(one)
    held.add(second, now=0.0)
    held.add(first, now=0.0)
    assert [one.update_id for one in held.take_all()] == ["1", "2"]


def test_what_is_added_while_the_others_are_tried_waits_for_the_next_time() -> None:
    held = HeldUpdates()
    held.add(update("1"), now=0.0)
    for one in held.take_all():
        held.add(one, now=1.0)
        held.add(update("2"), now=1.0)
    assert [one.update_id for one in held.take_all()] == ["1", "2"]
