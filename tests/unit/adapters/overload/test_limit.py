"""The limit that follows the store's latency."""

from websocket_handler.adapters.overload.limit import AdaptiveLimit, LimitOptions

OPTIONS = LimitOptions(calls_min=2, calls_first=4, calls_max=8, latency_max_s=1.0, shrink=0.5)


def answered(
    limit: AdaptiveLimit, count: int, latency_s: float, begin: float = 0.0, *, is_failed: bool = False
) -> None:
    for _ in range(count):
        limit.answered(begin, begin + latency_s, is_failed=is_failed)


def test_it_begins_where_it_is_told_and_grows_by_one_with_every_round_of_quick_answers() -> None:
    limit = AdaptiveLimit(OPTIONS)
    assert limit.allowed == 4
    answered(limit, 5, 0.1)
    assert limit.allowed == 5
    answered(limit, 6, 0.1)
    assert limit.allowed == 6


def test_it_never_grows_beyond_its_maximum() -> None:
    limit = AdaptiveLimit(OPTIONS)
    answered(limit, 20, 0.1)
    assert limit.allowed == 7
    answered(limit, 7, 0.1)
    assert limit.allowed == 8
    answered(limit, 1000, 0.1)
    assert limit.allowed == 8


def test_an_answer_at_the_latest_moment_is_in_time_and_one_after_it_is_late() -> None:
    limit = AdaptiveLimit(OPTIONS)
    limit.answered(10.0, 11.0)
    assert limit.allowed == 4
    limit.answered(10.0, 11.001)
    assert limit.allowed == 2


def test_it_never_shrinks_below_its_minimum() -> None:
    limit = AdaptiveLimit(OPTIONS)
    for begin in range(10):
        answered(limit, 1, 1.5, begin * 10.0)
    assert limit.allowed == 2


def test_a_round_of_late_answers_shrinks_it_once() -> None:
    limit = AdaptiveLimit(LimitOptions(calls_min=1, calls_first=16, shrink=0.5))
    answered(limit, 16, 1.5)
    assert limit.allowed == 8
    answered(limit, 8, 1.5, begin=2.0)
    assert limit.allowed == 4


def test_an_answer_that_was_late_because_our_own_loop_was_late_changes_nothing() -> None:
    limit = AdaptiveLimit(OPTIONS)
    limit.answered(10.0, 13.0, lag_s=2.0)
    assert limit.allowed == 4
    for _ in range(100):
        limit.answered(10.0, 13.0, lag_s=2.5)
    assert limit.allowed == 4, "nor does it let the limit grow"


def test_an_answer_that_was_late_without_our_lag_too_shrinks_it() -> None:
    limit = AdaptiveLimit(OPTIONS)
    limit.answered(10.0, 13.0, lag_s=1.999)
    assert limit.allowed == 2


def test_lag_is_no_matter_when_the_answer_is_in_time() -> None:
    limit = AdaptiveLimit(OPTIONS)
    for _ in range(5):
        limit.answered(10.0, 10.9, lag_s=0.8)
    assert limit.allowed == 5


def test_a_failure_that_took_long_because_of_our_lag_changes_nothing_and_any_other_shrinks_it() -> None:
    limit = AdaptiveLimit(OPTIONS)
    limit.answered(10.0, 12.1, lag_s=1.1, is_failed=True)
    assert limit.allowed == 4
    limit.answered(10.0, 10.9, lag_s=0.9, is_failed=True)
    assert limit.allowed == 2


def test_a_call_that_failed_counts_as_late_however_quickly_it_failed() -> None:
    limit = AdaptiveLimit(OPTIONS)
    answered(limit, 1, 0.001, is_failed=True)
    assert limit.allowed == 2
