"""One connection's limits, at the bound and one beyond it."""

import pytest

from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Ping
from websocket_handler.protocol.session import BURST_S, Session, SessionLimits

PING = b'{"action":"ping"}'


def padded(size: int, filler: str = "x") -> bytes:
    """A ping of exactly so many bytes."""
    head, tail = b'{"action":"ping","x":"', b'"}'
    room = size - len(head) - len(tail)
    unit = filler.encode()
    return head + unit * (room // len(unit)) + b"x" * (room % len(unit)) + tail


def refusal(session: Session, text: bytes, now: float = 0.0) -> ErrorCode:
    """Why a text is refused."""
    with pytest.raises(CommandError) as caught:
        session.receive(text, now)
    return caught.value.code


@pytest.mark.parametrize("filler", ["x", "é", "€", "😀"])
def test_the_size_limit_counts_bytes_and_not_characters(filler: str) -> None:
    session = Session(SessionLimits(message_bytes=1024), now=0.0)
    assert isinstance(session.receive(padded(1024, filler), 0.0), Ping)
    assert refusal(session, padded(1025, filler)) is ErrorCode.MESSAGE_TOO_LARGE


def test_the_default_size_limit_is_64_kibibytes() -> None:
    session = Session(SessionLimits(), now=0.0)
    assert isinstance(session.receive(padded(65536), 0.0), Ping)
    assert refusal(session, padded(65537)) is ErrorCode.MESSAGE_TOO_LARGE


def test_commands_pass_up_to_the_burst_and_not_one_more() -> None:
    session = Session(SessionLimits(commands_per_second=10), now=5.0)
    for _ in range(10 * BURST_S):
        session.receive(PING, 5.0)
    assert refusal(session, PING, 5.0) is ErrorCode.RATE_LIMITED
    assert refusal(session, PING, 5.0999) is ErrorCode.RATE_LIMITED
    assert isinstance(session.receive(PING, 5.2), Ping)


def test_a_refused_command_is_retryable() -> None:
    session = Session(SessionLimits(commands_per_second=1), now=0.0)
    session.receive(PING, 0.0)
    session.receive(PING, 0.0)
    with pytest.raises(CommandError) as caught:
        session.receive(PING, 0.0)
    assert caught.value.retryable


def test_invalid_commands_count_against_the_rate_too() -> None:
    session = Session(SessionLimits(commands_per_second=1), now=0.0)
    assert refusal(session, b"x") is ErrorCode.INVALID_JSON
    assert refusal(session, b"x") is ErrorCode.INVALID_JSON
    assert refusal(session, b"x") is ErrorCode.RATE_LIMITED


def test_bytes_pass_up_to_the_burst_and_not_one_more() -> None:
    session = Session(SessionLimits(message_bytes=100, commands_per_second=0, bytes_per_second=1000), now=0.0)
    for _ in range(20):
        session.receive(padded(100), 0.0)
    assert refusal(session, PING) is ErrorCode.RATE_LIMITED
    assert isinstance(session.receive(padded(100), 0.1), Ping)


def test_a_byte_rate_below_one_message_still_lets_one_message_pass() -> None:
    session = Session(SessionLimits(message_bytes=1000, bytes_per_second=1), now=0.0)
    assert isinstance(session.receive(padded(1000), 0.0), Ping)
    assert refusal(session, padded(100), 1.0) is ErrorCode.RATE_LIMITED


def test_a_command_rate_below_one_still_lets_one_command_pass() -> None:
    session = Session(SessionLimits(commands_per_second=0.1), now=0.0)
    assert isinstance(session.receive(PING, 0.0), Ping)
    assert refusal(session, PING, 5.0) is ErrorCode.RATE_LIMITED
    assert isinstance(session.receive(PING, 10.1), Ping)


def test_a_rate_of_zero_is_no_limit() -> None:
    session = Session(SessionLimits(commands_per_second=0, bytes_per_second=0), now=0.0)
    for _ in range(10_000):
        session.receive(PING, 0.0)


def test_whether_a_further_command_would_be_looked_at_is_told_without_taking_anything() -> None:
    session = Session(SessionLimits(commands_per_second=1), now=0.0)
    for _ in range(10):
        session.check_rate(0.0)
    session.receive(PING, 0.0)
    session.check_rate(0.0)
    session.receive(PING, 0.0)
    with pytest.raises(CommandError) as caught:
        session.check_rate(0.0)
    assert caught.value.code is ErrorCode.RATE_LIMITED
    session.check_rate(1.0)


def test_a_byte_rate_that_is_used_up_counts_there_too() -> None:
    session = Session(SessionLimits(message_bytes=100, commands_per_second=0, bytes_per_second=100), now=0.0)
    session.receive(padded(100), 0.0)
    session.check_rate(0.0)
    session.receive(padded(100), 0.0)
    with pytest.raises(CommandError):
        session.check_rate(0.0)
