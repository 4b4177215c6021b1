"""Tickets as rules: good once, good for a short time, and bounded in number."""

import pytest

from websocket_handler.access.tickets import TICKET_SECONDS, TICKETS_MAX, TICKETS_PER_USER_MAX, Tickets
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import Identity


def user(name: str) -> Identity:
    return Identity(name, None, ("*",), frozenset())


def test_a_ticket_is_good_once_and_until_its_last_moment() -> None:
    tickets = Tickets()
    tickets.issue("a", user("ada"), 0.0)
    tickets.issue("b", user("ada"), 0.0)
    assert tickets.redeem("a", TICKET_SECONDS - 0.001) == user("ada")
    assert tickets.redeem("a", TICKET_SECONDS - 0.001) is None
    assert tickets.redeem("b", TICKET_SECONDS) is None
    assert len(tickets) == 0


def test_the_nodes_tickets_are_bounded_and_room_comes_back_with_time() -> None:
    tickets = Tickets()
    for number in range(TICKETS_MAX):
        tickets.issue(str(number), user(str(number)), 0.0)
    with pytest.raises(CommandError) as refusal:
        tickets.issue("more", user("more"), 1.0)
    assert refusal.value.code is ErrorCode.OVERLOADED
    tickets.issue("later", user("more"), float(TICKET_SECONDS))
    assert len(tickets) == 1


def test_one_user_cannot_take_the_others_room() -> None:
    tickets = Tickets()
    for number in range(TICKETS_PER_USER_MAX + 1):
        tickets.issue(str(number), user("ada"), 0.0)
    assert len(tickets) == TICKETS_PER_USER_MAX
    assert tickets.redeem("0", 1.0) is None
    assert tickets.redeem("1", 1.0) == user("ada")
