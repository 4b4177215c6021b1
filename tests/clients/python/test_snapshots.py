"""Readers that begin with a snapshot of the runs: over cuts, and beside other readers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.support.patience import PATIENCE_S
from tests.support.town import Town, town
from websocket_handler_client import Client, Options, Position, Update, Updates
from websocket_handler_client.testing.gateway import FakeGateway

pytestmark = pytest.mark.asyncio

QUICK: Final = Options(backoff_base_s=0.01, backoff_max_s=0.05)
PIECES: Final = 40
PIECE: Final = "x" * 500


@pytest_asyncio.fixture
async def gateway() -> AsyncIterator[Town]:
    """A gateway."""
    async with asyncio.timeout(PATIENCE_S), town() as made:
        yield made


async def write(gateway: Town) -> None:
    """The run writes one more piece of its message."""
    await gateway.publish({"type": "TEXT_MESSAGE_CONTENT", "messageId": "m1", "delta": PIECE})


async def run(gateway: Town) -> None:
    """A run that has written some of its message, and goes on."""
    await gateway.publish({"type": "RUN_STARTED", "threadId": "p", "runId": "r1"})
    await gateway.publish({"type": "TEXT_MESSAGE_START", "messageId": "m1", "role": "assistant"})
    for _ in range(PIECES):
        await write(gateway)


async def read(updates: Updates, offset: int) -> tuple[int, int]:
    """Read up to an offset. Returns how many snapshots came, and the length of the text."""
    snapshots, text, before = 0, "", 0
    while before < offset:
        update = await anext(updates)
        if update.is_snapshot:
            snapshots += 1
            text = update["messages"][0]["content"]
        else:
            assert update.offset == before + 1
            text += update["delta"]
        before = update.offset
    return snapshots, len(text)


async def test_a_snapshot_and_its_tail_are_the_whole_text(gateway: Town) -> None:
    await run(gateway)
    async with Client(gateway.url) as client:
        updates = client.project("p").updates(from_="snapshot")
        await client.ping()
        await write(gateway)
        assert await read(updates, PIECES + 3) == (1, (PIECES + 1) * len(PIECE))


@pytest.mark.parametrize("size", [800, 1_000, 1_300, 5_000, 19_000, 21_000])
async def test_a_cut_in_the_middle_loses_and_doubles_nothing(gateway: Town, size: int) -> None:
    await run(gateway)
    gateway.wire.limits = [("down", size)]
    async with Client(gateway.url, options=QUICK) as client:
        updates = client.project("p").updates(from_="snapshot")
        reading = asyncio.ensure_future(read(updates, PIECES + 3))
        await write(gateway)
        assert await reading == (1, (PIECES + 1) * len(PIECE))
    assert gateway.wire.cuts > 0


async def test_a_log_that_begins_anew_gives_another_snapshot(gateway: Town) -> None:
    await run(gateway)
    resets: list[Position] = []
    async with Client(gateway.url, options=QUICK) as client:
        updates = client.project("p").updates(from_="snapshot", on_reset=resets.append)
        first = await anext(updates)
        while first.offset < PIECES + 2:
            first = await anext(updates)
        await gateway.lose_log()
        await run(gateway)
        found: list[Update] = [await anext(updates)]
        assert found[0].is_snapshot
        assert len(resets) == 1
        while found[-1].offset < PIECES + 2:
            found.append(await anext(updates))
        assert {update.epoch for update in found} == {resets[0].epoch}


async def offsets(updates: Updates, wanted: int) -> list[Any]:
    """What comes next: offsets, and `snapshot` before that of a snapshot."""
    found: list[Any] = []
    for _ in range(wanted):
        update = await anext(updates)
        found.append(("snapshot", update.offset) if update.is_snapshot else update.offset)
    return found


async def test_a_reader_beside_others_gets_a_snapshot_and_they_notice_nothing() -> None:
    async with asyncio.timeout(PATIENCE_S), FakeGateway() as gateway, Client(gateway.url) as client:
        for _ in range(3):
            await gateway.publish("p", {})
        gateway.snapshot("p", messages=[{"id": "m1", "role": "assistant", "content": "Hello"}])
        await gateway.publish("p", {})
        project = client.project("p")
        first = project.updates(rewind=4)
        assert await offsets(first, 4) == [1, 2, 3, 4]
        second = project.updates(from_="snapshot")
        assert await offsets(second, 2) == [("snapshot", 3), 4]
        await gateway.publish("p", {})
        assert await offsets(first, 1) == [5]
        assert await offsets(second, 1) == [5]


async def test_a_reader_that_is_behind_a_snapshot_goes_on_from_its_own_position() -> None:
    async with asyncio.timeout(PATIENCE_S), FakeGateway() as gateway, Client(gateway.url) as client:
        begin, _, _ = [await gateway.publish("p", {}) for _ in range(3)]
        gateway.snapshot("p")
        first = client.project("p").updates(from_="snapshot")
        second = client.project("p").updates(since=begin)
        assert await offsets(second, 2) == [2, 3]
        assert await offsets(first, 1) == [("snapshot", 3)]
        await gateway.publish("p", {})
        assert await offsets(first, 1) == [4]
        assert await offsets(second, 1) == [4]
