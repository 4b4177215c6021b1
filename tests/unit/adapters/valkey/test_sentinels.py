"""Sentinels that are away, silent, behind, or of different opinions."""

import asyncio
from collections.abc import Mapping
from typing import Final

import pytest

from tests.support.virtual_time import START_S, in_virtual_time
from websocket_handler.adapters.valkey.connection import Reply
from websocket_handler.adapters.valkey.sentinels import ANSWER_S, Named, NotNamed, Sentinels
from websocket_handler.adapters.valkey.url import Address

OLD: Final = Address("10.0.0.1", 6379)
NEW: Final = Address("10.0.0.2", 6379)
AWAY: Final = "away"
SILENT: Final = "silent"


def sentinels(answers: Mapping[str, Address | str | None]) -> Sentinels:
    """Sentinels by their hosts: each names an address, or knows none, or is away or silent."""

    async def ask(sentinel: Address, primary: str) -> Reply:
        assert primary == "main"
        answer = answers[sentinel.host]
        if answer == AWAY:
            raise ConnectionRefusedError("nobody listens")
        if answer == SILENT:
            await asyncio.get_running_loop().create_future()
        return [answer.host.encode(), b"%d" % answer.port] if isinstance(answer, Address) else None

    return Sentinels([Address(host, 26_379) for host in answers], "main", ask)


@in_virtual_time
async def test_what_most_of_them_say_counts_and_the_others_are_not_waited_for() -> None:
    assert await sentinels({"a": OLD, "b": NEW, "c": NEW}).named() == Named(NEW, is_agreed=True)
    assert await sentinels({"a": SILENT, "b": NEW, "c": NEW}).named() == Named(NEW, is_agreed=True)
    assert asyncio.get_running_loop().time() == START_S


@in_virtual_time
async def test_one_that_is_silent_is_waited_for_a_second_if_the_others_do_not_agree() -> None:
    assert await sentinels({"a": SILENT, "b": AWAY, "c": NEW}).named() == Named(NEW, is_agreed=False)
    assert asyncio.get_running_loop().time() == START_S + ANSWER_S


@in_virtual_time
async def test_half_of_them_is_not_more_than_half() -> None:
    assert await sentinels({"a": OLD, "b": NEW}).named() == Named(OLD, is_agreed=False)
    assert await sentinels({"a": None, "b": NEW}).named() == Named(NEW, is_agreed=False)


@in_virtual_time
async def test_none_of_them_knows_the_primary() -> None:
    expected = "a:26379: nobody listens; b:26379 knows no primary called 'main'; a Sentinel does not answer"
    with pytest.raises(NotNamed, match=expected):
        await sentinels({"a": AWAY, "b": None, "c": SILENT}).named()
