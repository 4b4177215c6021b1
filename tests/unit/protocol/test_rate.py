"""The token bucket."""

from hypothesis import given
from hypothesis import strategies as st

from websocket_handler.protocol.rate import TokenBucket


def test_a_full_bucket_holds_its_burst_and_no_more_however_long_it_waits() -> None:
    bucket = TokenBucket(10, burst=3, now=0.0)
    assert [bucket.allows(1_000_000.0) for _ in range(4)] == [True, True, True, False]


def test_a_clock_that_goes_back_neither_refills_nor_takes() -> None:
    bucket = TokenBucket(1, burst=1, now=100.0)
    assert bucket.allows(100.0)
    assert not bucket.allows(50.0)
    assert not bucket.allows(100.5)
    assert bucket.allows(101.0)


def test_what_is_refused_takes_nothing() -> None:
    bucket = TokenBucket(1, burst=5, now=0.0)
    assert not bucket.allows(0.0, amount=6)
    assert bucket.allows(0.0, amount=5)


@given(st.floats(0.1, 100), st.floats(1, 100), st.lists(st.tuples(st.floats(0, 1), st.floats(0, 10)), max_size=50))
def test_over_any_time_no_more_passes_than_burst_and_rate_allow(
    rate: float, burst: float, steps: list[tuple[float, float]]
) -> None:
    bucket = TokenBucket(rate, burst, now=0.0)
    now = taken = 0.0
    for wait, amount in steps:
        now += wait
        if bucket.allows(now, amount):
            taken += amount
        assert taken <= burst + rate * now + 1e-6
