"""Idempotency keys, bounded by count and age."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websocket_handler.hub.keys import KeyWindow
from websocket_handler.protocol.codes import CommandError, ErrorCode


def test_a_key_stands_for_its_offset() -> None:
    keys = KeyWindow(10, 60.0)
    assert keys.find("k", b"d", 0.0) is None
    keys.remember("k", b"d", 7, 0.0)
    assert keys.find("k", b"d", 60.0) == 7


def test_a_key_with_another_body_is_a_conflict() -> None:
    keys = KeyWindow(10, 60.0)
    keys.remember("k", b"d", 7, 0.0)
    with pytest.raises(CommandError) as caught:
        keys.find("k", b"other", 0.0)
    assert caught.value.code is ErrorCode.CONFLICT


def test_a_key_is_free_when_its_window_is_over() -> None:
    keys = KeyWindow(10, 60.0)
    keys.remember("k", b"d", 7, 0.0)
    assert keys.find("k", b"other", 60.001) is None
    keys.expire(60.0)
    assert len(keys) == 1
    keys.expire(60.001)
    assert len(keys) == 0


def test_as_many_keys_as_allowed_and_the_oldest_goes_for_one_more() -> None:
    keys = KeyWindow(3, 60.0)
    for number in range(4):
        keys.remember(f"k{number}", b"d", number, 0.0)
    assert len(keys) == 3
    assert keys.find("k0", b"d", 0.0) is None
    assert [keys.find(f"k{number}", b"d", 0.0) for number in (1, 2, 3)] == [1, 2, 3]


def test_a_key_that_is_used_anew_is_the_newest() -> None:
    keys = KeyWindow(2, 60.0)
    keys.remember("a", b"d", 1, 0.0)
    keys.remember("b", b"d", 2, 0.0)
    keys.remember("a", b"e", 3, 0.0)
    keys.remember("c", b"d", 4, 0.0)
    assert keys.find("b", b"d", 0.0) is None
    assert keys.find("a", b"e", 0.0) == 3


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 40)), max_size=60))
def test_within_its_bounds_the_window_is_a_plain_record_of_the_latest(steps: list[tuple[str, int]]) -> None:
    keys = KeyWindow(4, 60.0)
    latest: dict[str, tuple[int, float]] = {}
    now = 0.0
    for offset, (key, wait) in enumerate(steps):
        now += wait
        keys.remember(key, b"d", offset, now)
        latest.pop(key, None)
        latest[key] = (offset, now)
        newest = list(latest)[-4:]
        assert len(keys) <= 4
        for name, (known, at) in latest.items():
            expected = known if name in newest and at >= now - 60.0 else None
            assert keys.find(name, b"d", now) == expected
