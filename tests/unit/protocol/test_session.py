"""One connection's limits, at the bound and one beyond it."""

import pytest

from websocket_handler.protocol.codec import decode_command
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Ping, Publish
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


PUBLISH = b'{"action":"publish","project_id":"p","message":{"type":"step","text":"a line of an agent\'s work"}}'


def passed(session: Session, text: bytes, times: int, now: float = 0.0) -> int:
    """How many of these texts pass."""
    count = 0
    for _ in range(times):
        try:
            session.receive(text, now)
        except CommandError as fault:
            if fault.code is not ErrorCode.RATE_LIMITED:
                raise
        else:
            count += 1
    return count


def test_publications_have_a_rate_of_their_own_up_to_the_burst_and_not_one_more() -> None:
    limits = SessionLimits(commands_per_second=10, publishes_per_second=50)
    session = Session(limits, now=0.0, may_publish=True)
    for _ in range(50 * BURST_S):
        session.receive(PUBLISH, 0.0)
    assert refusal(session, PUBLISH) is ErrorCode.RATE_LIMITED
    assert refusal(session, PUBLISH, 0.0199) is ErrorCode.RATE_LIMITED
    assert passed(session, PUBLISH, 2, 0.04) == 2


def test_other_commands_of_a_publisher_keep_their_rate() -> None:
    session = Session(SessionLimits(commands_per_second=10), now=0.0, may_publish=True)
    assert passed(session, PING, 20) == 20
    assert refusal(session, PING) is ErrorCode.RATE_LIMITED
    assert isinstance(session.receive(PUBLISH, 0.0), Publish)


@pytest.mark.parametrize(("text", "code"), [(PUBLISH, None), (b"x", ErrorCode.INVALID_JSON)])
def test_who_may_not_publish_gains_nothing_by_trying(text: bytes, code: ErrorCode | None) -> None:
    session = Session(SessionLimits(commands_per_second=10), now=0.0)
    if code is None:
        assert passed(session, text, 21) == 20
    else:
        assert [refusal(session, text) for _ in range(21)] == [code] * 20 + [ErrorCode.RATE_LIMITED]


def test_who_loses_the_right_falls_back_to_the_rate_of_commands() -> None:
    session = Session(SessionLimits(commands_per_second=10), now=0.0, may_publish=True)
    assert passed(session, PUBLISH, 100) == 100
    session.may_publish = False
    assert passed(session, PUBLISH, 21) == 20
    session.may_publish = True
    assert passed(session, PUBLISH, 200) == 100


def test_a_publisher_has_no_more_texts_read_than_both_rates_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []

    def decode(text: bytes) -> object:
        read.append(text)
        return decode_command(text)

    monkeypatch.setattr("websocket_handler.protocol.session.decode_command", decode)
    session = Session(SessionLimits(commands_per_second=10, publishes_per_second=50), now=0.0, may_publish=True)
    codes = [refusal(session, b"x") for _ in range(1000)]
    assert codes == [ErrorCode.INVALID_JSON] * 20 + [ErrorCode.RATE_LIMITED] * 980
    assert len(read) == (10 + 50) * BURST_S


@pytest.mark.parametrize(
    ("limits", "commands", "publications"),
    [
        (SessionLimits(), 100, 1000),
        (SessionLimits(commands_per_second=300), 300, 3000),
        (SessionLimits(commands_per_second=100, publishes_per_second=7), 100, 7),
    ],
)
def test_publications_have_ten_times_the_rate_unless_the_operator_says_otherwise(
    limits: SessionLimits, commands: int, publications: int
) -> None:
    session = Session(limits, now=0.0, may_publish=True)
    assert passed(session, PUBLISH, publications * BURST_S) == publications * BURST_S
    assert passed(session, PING, commands * BURST_S) == commands * BURST_S
    assert passed(session, PUBLISH, 1) + passed(session, PING, 1) == 0


def test_a_rate_of_zero_is_no_limit_for_publications_either() -> None:
    session = Session(SessionLimits(commands_per_second=0), now=0.0, may_publish=True)
    assert passed(session, PUBLISH, 10_000) == 10_000
    unlimited = SessionLimits(commands_per_second=1, publishes_per_second=0)
    session = Session(unlimited, now=0.0, may_publish=True)
    assert passed(session, PUBLISH, 10_000) == 10_000
    assert passed(session, PING, 3) == 2


@pytest.mark.parametrize(
    ("of_their_own", "publications"), [(None, 20), (5 * len(PUBLISH), 10), (0.5, 1)], ids=["ten times", "set", "tiny"]
)
def test_bytes_of_publications_have_a_rate_of_their_own(of_their_own: float | None, publications: int) -> None:
    limits = SessionLimits(len(PUBLISH), 0, len(PUBLISH), publish_bytes_per_second=of_their_own)
    session = Session(limits, now=0.0, may_publish=True)
    assert passed(session, padded(len(PUBLISH)), 2) == 2
    assert passed(session, padded(len(PUBLISH)), 1) == 0
    session = Session(limits, now=0.0, may_publish=True)
    assert passed(session, PUBLISH, publications) == publications
    assert passed(session, PUBLISH, 1) == 0


def test_eight_streams_of_thirty_a_second_share_a_connection_with_room_to_spare() -> None:
    session = Session(SessionLimits(), now=0.0, may_publish=True)
    for step in range(60 * 30):
        for _stream in range(8):
            session.receive(PUBLISH, step / 30)
    assert passed(session, PUBLISH, 2000, 60.0) == 2000, "its burst is still there"
