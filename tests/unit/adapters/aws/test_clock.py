"""The clock of AWS is learnt from its refusals, and only from those that are about the time."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from websocket_handler.adapters.aws.clock import SKEW_S_MIN, AwsClock

OURS = datetime(2026, 5, 1, 12, tzinfo=UTC)


def date(skew_s: float) -> str:
    return format_datetime(OURS + timedelta(seconds=skew_s), usegmt=True)


@pytest.mark.parametrize("skew_s", [-1200.0, 1200.0, SKEW_S_MIN, -SKEW_S_MIN])
def test_a_refusal_sets_it_right(skew_s: float) -> None:
    clock = AwsClock(OURS.timestamp)
    assert clock.was_wrong("InvalidSignatureException", date(skew_s), 0.0)
    assert clock.skew_s == skew_s
    assert clock.now() == OURS.timestamp() + skew_s


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("InvalidSignatureException", date(SKEW_S_MIN - 1)),
        ("InvalidSignatureException", "yesterday"),
        ("InvalidSignatureException", ""),
        ("ThrottlingException", date(1200)),
    ],
)
def test_other_refusals_change_nothing(code: str, told: str) -> None:
    clock = AwsClock(OURS.timestamp)
    assert not clock.was_wrong(code, told, 0.0)
    assert clock.now() == OURS.timestamp()


def test_a_request_that_was_signed_before_somebody_set_it_is_sent_again() -> None:
    clock = AwsClock(OURS.timestamp)
    assert clock.was_wrong("RequestExpired", date(1200), 0.0)
    assert clock.was_wrong("RequestExpired", date(1200), 0.0)
    assert not clock.was_wrong("RequestExpired", date(1200), clock.skew_s)
