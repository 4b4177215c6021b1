"""`AUTH_MODE=none`: everybody may do everything."""

from tests.unit.access.doubles import Holder
from websocket_handler.access.access import Access
from websocket_handler.access.credentials import Credential, Kind
from websocket_handler.access.open_access import OpenAccess
from websocket_handler.protocol.codec import decode_command
from websocket_handler.protocol.identity import ANYONE


def opened() -> Access:
    return OpenAccess(lambda: "ticket")


def test_every_client_is_anyone_whatever_it_says() -> None:
    access, answers = opened(), list[object]()
    for credentials in ([], [Credential(Kind.UNKNOWN, "x")], [Credential(Kind.TICKET, "used")] * 2):
        access.identify(credentials, answers.append)
        access.identify_request(credentials, answers.append)
    access.authenticate("forged", answers.append)
    assert answers == [ANYONE] * 7


def test_nothing_is_forbidden_and_nothing_ends() -> None:
    access, holder = opened(), Holder()
    access.begin(holder)
    access.grant(holder, ANYONE)
    access.check_command(holder.identity, decode_command(b'{"action":"publish","project_id":"p","message":{}}'))
    for _ in range(100):
        access.check_user(ANYONE)
        access.take_place(ANYONE)
    access.take_place(ANYONE)()
    assert access.ends_at(ANYONE) is None
    assert not access.is_over(ANYONE, None)
    assert access.revoke("ada") == 0
    assert holder.is_open
    assert holder.identity is ANYONE
    assert holder.timer is None
    access.leave(holder)
    assert access.failure() is None


def test_a_client_that_asks_for_a_ticket_gets_one() -> None:
    assert opened().issue_ticket(ANYONE) == "ticket"
