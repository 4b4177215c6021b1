"""How many connections, event streams and waiting requests one user may have."""

import pytest

from tests.unit.access.doubles import Holder
from websocket_handler.access.users import ELSEWHERE_MAX, UserCount
from websocket_handler.protocol.codes import CommandError, ErrorCode


def is_full(users: UserCount, user_id: str) -> bool:
    """True if the user may have no further connection."""
    try:
        users.check_room(user_id)
    except CommandError as fault:
        return fault.code is ErrorCode.TOO_MANY_CONNECTIONS
    return False


def test_connections_and_places_of_a_user_count_together_up_to_the_maximum() -> None:
    users, holder = UserCount(2), Holder()
    users.enter("ada", holder)
    users.enter("ada", holder)
    assert not is_full(users, "ada")
    leave = users.take_place("ada")
    assert is_full(users, "ada")
    assert not is_full(users, "bob")
    with pytest.raises(CommandError):
        users.take_place("ada")
    leave()
    assert not is_full(users, "ada")


def test_a_maximum_of_0_is_no_limit() -> None:
    users = UserCount(0)
    for _ in range(1000):
        users.enter("ada", Holder())
        users.take_place("ada")
    assert not is_full(users, "ada")


def test_a_users_connections_are_known_in_order_until_they_leave() -> None:
    users, holders = UserCount(0), [Holder() for _ in range(3)]
    for holder in holders:
        users.enter("ada", holder)
    users.leave("ada", holders[1])
    users.leave("bob", holders[0])
    assert users.connections("ada") == [holders[0], holders[2]]
    assert users.connections("bob") == []


def test_connections_on_other_nodes_count_as_they_were_when_somebody_asked_last() -> None:
    users = UserCount(2)
    users.note_elsewhere("ada", 1)
    assert not is_full(users, "ada")
    users.note_elsewhere("ada", 2)
    assert is_full(users, "ada")
    users.note_elsewhere("ada", 0)
    assert not is_full(users, "ada")
    for number in range(ELSEWHERE_MAX):
        users.note_elsewhere(str(number), 2)
    assert is_full(users, "0")
    users.note_elsewhere("one more", 2)
    assert (is_full(users, "0"), is_full(users, "1")) == (False, True)


def test_whose_count_has_changed_is_told_once_and_only_if_somebody_wants_to_know() -> None:
    shared = [UserCount(2, is_shared=True), UserCount(0, is_shared=True), UserCount(2)]
    for users in shared:
        users.enter("ada", Holder())
        users.take_place("eve")()
    assert [list(users.take_changed()) for users in shared] == [["ada", "eve"], [], []]
    assert [list(users.users) for users in shared] == [["ada"]] * 3
    assert not shared[0].take_changed()


def test_users_who_left_leave_nothing_behind() -> None:
    users = UserCount(1)
    for number in range(100):
        holder = Holder()
        users.enter(str(number), holder)
        users.leave(str(number), holder)
        users.take_place(str(number))()
    assert not users._connections
    assert not users._places
