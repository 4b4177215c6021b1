"""`AUTH_MODE=jwt`: who a handshake and a request belong to, tickets, revocations, and connections per user."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.clock import SteeredClock
from tests.support.doubles import WALL
from tests.support.memory_ports import MemoryTickets
from tests.unit.access.doubles import ADA, Desk, Holder, ticket, token
from websocket_handler.access.access import AccessOptions
from websocket_handler.access.credentials import Credential, Kind
from websocket_handler.access.tickets import TICKETS_PER_USER_MAX
from websocket_handler.access.token_access import TokenAccess
from websocket_handler.ports.ticket_store import TicketStore, TicketsUnavailable
from websocket_handler.protocol.codes import CloseCode, CommandError, ErrorCode
from websocket_handler.protocol.identity import Identity


def test_a_handshake_has_the_identity_of_its_token_or_none_without_a_credential() -> None:
    desk = Desk()
    assert desk.identify(token()) == ADA
    assert desk.identify() is None
    assert desk.identify(token("forged")) is ErrorCode.UNAUTHORIZED
    assert desk.identify(token(), token()) is ErrorCode.UNAUTHORIZED
    assert desk.identify(Credential(Kind.QUERY_TOKEN, "ada's")) is ErrorCode.UNAUTHORIZED
    assert Desk(is_token_in_query_allowed=True).identify(Credential(Kind.QUERY_TOKEN, "ada's")) == ADA


def test_a_handshake_waits_for_a_key_that_has_to_be_fetched() -> None:
    desk = Desk()
    desk.keys.late = []
    answers: list[Identity | CommandError | None] = []
    desk.access.identify([token()], answers.append)
    assert answers == []
    done, text = desk.keys.late[0]
    done(desk.keys.known[text])
    assert answers == [ADA]


def test_a_request_has_the_identity_of_its_bearer_token_and_nothing_else_is_taken() -> None:
    desk = Desk()
    assert desk.visitor(token()) == ADA
    assert desk.visitor() is ErrorCode.UNAUTHORIZED
    assert desk.visitor(ticket(desk.access.issue_ticket(ADA))) is ErrorCode.UNAUTHORIZED


def test_a_ticket_stands_for_its_identity_once_and_not_beyond_its_token() -> None:
    desk = Desk()
    first, second = desk.access.issue_ticket(ADA), desk.access.issue_ticket(replace(ADA, expires_at=1_000_010.0))
    assert desk.identify(ticket(first)) == ADA
    assert desk.identify(ticket(first)) is ErrorCode.UNAUTHORIZED
    desk.clock.advance(10.0)
    assert desk.identify(ticket(second)) is ErrorCode.UNAUTHORIZED


def test_a_revocation_closes_the_users_connections_and_ends_tokens_and_tickets_issued_before() -> None:
    desk = Desk()
    ada, eve, gone = Holder(ADA), Holder(replace(ADA, user_id="eve")), Holder(replace(ADA, user_id="eve"))
    for holder in (ada, eve, gone):
        desk.access.begin(holder)
    gone.is_open = False
    issued = desk.access.issue_ticket(replace(ADA, user_id="eve"))
    assert desk.access.revoke("eve") == 2
    assert (ada.closed, eve.closed, gone.closed) == (None, CloseCode.DISCONNECTED, None)
    assert desk.told == ["revoked"]
    assert desk.identify(token("eve's")) is ErrorCode.UNAUTHORIZED
    assert desk.visitor(token("eve's")) is ErrorCode.UNAUTHORIZED
    assert desk.identify(ticket(issued)) is ErrorCode.UNAUTHORIZED
    assert desk.identify(token()) == ADA
    assert desk.access.is_over(replace(ADA, user_id="eve"), None)
    desk.keys.known["fresh"] = replace(ADA, user_id="eve", issued_at=desk.clock.wall() + 1)
    assert isinstance(desk.identify(token("fresh")), Identity)


def test_a_visitor_is_over_when_its_token_is() -> None:
    desk = Desk()
    ends_at = desk.access.ends_at(ADA)
    assert not desk.access.is_over(ADA, ends_at)
    desk.clock.advance(600.0)
    assert desk.access.is_over(ADA, ends_at)
    forever = replace(ADA, expires_at=None)
    assert not desk.access.is_over(forever, desk.access.ends_at(forever))


def test_a_user_has_so_many_connections_and_places_and_a_fresher_token_needs_no_further_one() -> None:
    desk = Desk(connections_per_user=2)
    first, second = Holder(ADA), Holder()
    desk.access.begin(first)
    desk.access.begin(second)
    leave = desk.access.take_place(ADA)
    with pytest.raises(CommandError) as refusal:
        desk.access.grant(second, ADA)
    assert refusal.value.code is ErrorCode.TOO_MANY_CONNECTIONS
    assert second.identity is None
    leave()
    desk.access.grant(second, ADA)
    desk.access.grant(first, replace(ADA, expires_at=1_009_000.0))
    with pytest.raises(CommandError):
        desk.access.check_user(ADA)
    desk.access.leave(second)
    desk.access.check_user(ADA)


def test_a_connection_without_an_identity_has_its_deadline_and_one_that_gets_it_the_end_of_its_token() -> None:
    desk = Desk(authentication_timeout_s=5.0)
    late, timely = Holder(), Holder()
    desk.access.begin(late)
    desk.access.begin(timely)
    desk.scheduler.advance(4.0)
    desk.access.grant(timely, ADA)
    desk.scheduler.advance(1.0)
    assert (late.closed, timely.closed) == (CloseCode.AUTHENTICATION_TIMEOUT, None)
    desk.scheduler.advance(540.0)
    assert b"token_expiring" in timely.pushed[0]
    desk.scheduler.advance(60.0)
    assert timely.closed == CloseCode.TOKEN_EXPIRED


def test_a_ticket_for_a_token_that_was_revoked_while_it_was_issued_opens_nothing() -> None:
    """Seed 2230 of the simulation: the request for the ticket had passed its guard when the user was revoked."""
    desk = Desk()
    assert desk.visitor(token()) == ADA
    desk.access.revoke("ada")
    assert desk.identify(ticket(desk.access.issue_ticket(ADA))) is ErrorCode.UNAUTHORIZED


def test_a_connection_that_left_is_not_watched_any_more() -> None:
    desk = Desk()
    holders = [Holder(), Holder(ADA)]
    for holder in holders:
        desk.access.begin(holder)
        desk.access.leave(holder)
    desk.scheduler.advance(10_000.0)
    assert [(holder.closed, holder.pushed) for holder in holders] == [(None, [])] * 2


def test_readiness_tells_why_tokens_cannot_be_verified() -> None:
    desk = Desk()
    assert desk.access.failure() is None
    desk.keys.fault = "no keys"
    assert desk.access.failure() == "no keys"


class Away:
    """A store of tickets that does not answer in time."""

    def put(
        self,
        ticket: str,
        identity: Identity,
        seconds: int,
        done: Callable[[TicketsUnavailable | None], None],
        *,
        instead_of: str | None = None,
    ) -> None:
        done(TicketsUnavailable("down"))

    def take(self, ticket: str, done: Callable[[Identity | TicketsUnavailable | None], None]) -> None:
        done(TicketsUnavailable("down"))


def sharing(store: TicketStore) -> TokenAccess:
    """The access of a node that shares its tickets."""
    desk = Desk()
    names = iter(f"shared{number}" for number in range(100))
    return TokenAccess(
        desk.keys, desk.clock, desk.scheduler, AccessOptions(), lambda: next(names), shared_tickets=store
    )


def answer_to(access: TokenAccess, text: str) -> object:
    answers: list[object] = []
    access.identify([ticket(text)], answers.append)
    return answers[0].code if isinstance(answers[0], CommandError) else answers[0]


def test_a_shared_ticket_opens_one_handshake_on_whichever_node() -> None:
    store = MemoryTickets(SteeredClock(wall=WALL))
    here, there = sharing(store), sharing(store)
    told: list[CommandError | None] = []
    issued = [here.issue_ticket(ADA, told.append) for _ in range(TICKETS_PER_USER_MAX + 1)]
    assert told == [None] * len(issued)
    assert answer_to(there, issued[0]) is ErrorCode.UNAUTHORIZED, "the user had too many"
    assert (answer_to(there, issued[1]), answer_to(here, issued[2])) == (ADA, ADA)
    assert [answer_to(access, issued[1]) for access in (here, there)] == [ErrorCode.UNAUTHORIZED] * 2
    there.note_revocation("ada", WALL)
    assert answer_to(there, issued[3]) is ErrorCode.UNAUTHORIZED


def asking(others: list[tuple[str, Callable[[], None]]]) -> TokenAccess:
    """The access of a node that asks the other nodes. The test answers for them."""
    desk = Desk()
    return TokenAccess(
        desk.keys,
        desk.clock,
        desk.scheduler,
        AccessOptions(),
        lambda: "ticket",
        ask_others=lambda user_id, done: others.append((user_id, done)),
    )


def test_a_handshake_waits_until_the_other_nodes_have_said_what_its_user_has_there() -> None:
    others: list[tuple[str, Callable[[], None]]] = []
    access, answers = asking(others), list[object]()
    access.identify([], answers.append)
    access.identify([token("forged")], lambda answer: answers.append(isinstance(answer, CommandError)))
    access.identify_request([token()], answers.append)
    assert (answers, others) == ([None, True, ADA], []), "nobody asks for these"
    access.issue_ticket(ADA)
    access.identify([token()], answers.append)
    access.identify([ticket("ticket")], answers.append)
    assert len(answers) == 3
    for user_id, done in others:
        assert user_id == "ada"
        done()
    assert answers[3:] == [ADA, ADA]


def test_who_is_revoked_while_the_other_nodes_are_asked_does_not_come_in() -> None:
    others: list[tuple[str, Callable[[], None]]] = []
    access, answers = asking(others), list[object]()
    access.identify([token()], answers.append)
    access.revoke("ada")
    others[0][1]()
    (answer,) = answers
    assert isinstance(answer, CommandError)
    assert answer.code is ErrorCode.UNAUTHORIZED


def test_a_ticket_cannot_be_shared_or_used_while_the_store_is_away() -> None:
    access = sharing(Away())
    told: list[CommandError | None] = []
    issued = access.issue_ticket(ADA, told.append)
    assert [fault and fault.code for fault in told] == [ErrorCode.STORE_UNAVAILABLE]
    assert answer_to(access, issued) is ErrorCode.STORE_UNAVAILABLE


def test_a_revocation_that_is_told_later_closes_what_came_in_with_an_older_token() -> None:
    desk = Desk()
    old, fresh = Holder(ADA), Holder(replace(ADA, issued_at=WALL + 5))
    for holder in (old, fresh):
        desk.access.begin(holder)
    desk.clock.advance(10.0)
    desk.access.note_revocation("ada", WALL)
    assert (old.closed, fresh.closed, desk.told) == (CloseCode.DISCONNECTED, None, ["revoked"])
    desk.access.note_revocation("ada", WALL - 1)
    assert desk.access.revocations() == {"ada": WALL}
