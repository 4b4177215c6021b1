"""Waits that grow, with full jitter and a ceiling."""

from random import Random

from websocket_handler.ports.backoff import Backoff


def test_a_wait_is_spread_between_nothing_and_its_ceiling() -> None:
    backoff = Backoff(Random(1).random, base_s=0.05, max_s=1.0)
    for failures in range(40):
        delays = [backoff.delay_s(failures) for _ in range(200)]
        ceiling = min(1.0, 0.05 * 2**failures)
        assert 0 <= min(delays) < ceiling / 4
        assert ceiling * 0.75 < max(delays) <= ceiling


def test_the_ceiling_doubles_from_its_base_to_its_end() -> None:
    backoff = Backoff(lambda: 1.0, base_s=1.0, max_s=10.0)
    assert [backoff.delay_s(failures) for failures in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_any_number_of_failures_has_a_wait() -> None:
    assert Backoff(lambda: 1.0, base_s=1e-9, max_s=1.0).delay_s(10**9) < 1.0
