"""Revocations as rules: what they hold for, for how long, and how many."""

from websocket_handler.access.revocations import REVOCATION_SECONDS, REVOCATIONS_MAX, Revocations
from websocket_handler.protocol.identity import Identity


def user(name: str, issued_at: float | None = None) -> Identity:
    return Identity(name, None, ("*",), frozenset(), issued_at)


def test_a_revocation_holds_for_what_was_issued_before_it_and_for_a_day() -> None:
    revocations = Revocations()
    revocations.revoke("eve", 1000.0)
    assert revocations.is_revoked(user("eve", 999.0), 1001.0)
    assert revocations.is_revoked(user("eve", 1000.0), 1001.0)
    assert revocations.is_revoked(user("eve"), 1001.0)
    assert not revocations.is_revoked(user("eve", 1001.0), 1001.0)
    assert not revocations.is_revoked(user("ada", 1.0), 1001.0)
    assert not revocations.is_revoked(user("eve", 999.0), 1000.0 + REVOCATION_SECONDS + 1)


def test_revocations_are_bounded_and_the_oldest_is_forgotten_first() -> None:
    revocations = Revocations()
    for number in range(REVOCATIONS_MAX + 1):
        revocations.revoke(str(number), float(number))
    assert not revocations.is_revoked(user("0", 0.0), 0.0)
    assert revocations.is_revoked(user("1", 1.0), 1.0)


def test_an_older_revocation_changes_nothing() -> None:
    revocations = Revocations()
    revocations.revoke("eve", 1000.0)
    revocations.revoke("eve", 900.0)
    assert revocations.is_revoked(user("eve", 950.0), 1001.0)
    assert revocations.known(1000.0 + REVOCATION_SECONDS) == {"eve": 1000.0}
    assert revocations.known(1001.0 + REVOCATION_SECONDS) == {}
