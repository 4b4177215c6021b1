"""A client that sends no more: the request that waits is woken, and no other."""

from functools import partial

import pytest

from tests.support.http_api import Exchange
from tests.support.virtual_time import in_virtual_time
from websocket_handler.api.half_close import HalfClose, half_close_of


def test_whoever_waits_is_woken_when_it_happens() -> None:
    half_close, woken = HalfClose(), list[str]()
    with half_close.waking(lambda: woken.append("first")):
        assert (half_close.is_done, woken) == (False, [])
        half_close.happened()
        assert (half_close.is_done, woken) == (True, ["first"])


def test_nobody_is_woken_before_or_after_they_wait() -> None:
    half_close, woken = HalfClose(), list[str]()
    half_close.happened()
    with half_close.waking(lambda: woken.append("late")):
        pass
    half_close.happened()
    assert (half_close.is_done, woken) == (True, [])


def test_a_wait_that_fails_is_over() -> None:
    half_close, woken = HalfClose(), list[str]()

    def wait() -> None:
        with half_close.waking(lambda: woken.append("failed")):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        wait()
    half_close.happened()
    assert woken == []


def test_each_request_of_a_connection_waits_in_its_turn() -> None:
    half_close, woken = HalfClose(), list[str]()
    for name in ("first", "second"):
        with half_close.waking(partial(woken.append, name)):
            pass
    with half_close.waking(lambda: woken.append("third")):
        half_close.happened()
    assert woken == ["third"]


@in_virtual_time
async def test_a_request_has_the_half_close_of_its_connection() -> None:
    exchange = Exchange("GET", "/")
    assert half_close_of(exchange.request()) is exchange.half_close
