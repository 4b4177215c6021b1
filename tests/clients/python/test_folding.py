"""Deltas that come joined: each reader gets every piece once, wherever it stands."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.server import ServerConnection

from tests.support.patience import PATIENCE_S
from websocket_handler_client import Client, Position, Updates
from websocket_handler_client.testing.gateway import FakeGateway

pytestmark = pytest.mark.asyncio


class FoldingGateway(FakeGateway):
    """Joins everything that a subscriber is behind by, if it asks for that. All that is published are deltas of one
    text."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bool] = []

    def _on_subscribe(self, connection: ServerConnection, command: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        confirmation, behind = super()._on_subscribe(connection, command)
        self.asked.append(command.get("fold", False))
        if self.asked[-1] and len(behind) > 1:
            parts = [json.loads(text) for text in behind]
            text = "".join(part["delta"] for part in parts)
            behind = [json.dumps({**parts[-1], "delta": text, "first_offset": parts[0]["offset"]})]
        return confirmation, behind

    async def stream(self, pieces: str) -> None:
        """Publish one delta for each letter."""
        for piece in pieces:
            await self.publish("p", {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m1", "delta": piece})


@pytest_asyncio.fixture
async def gateway() -> AsyncIterator[FoldingGateway]:
    """A gateway."""
    async with asyncio.timeout(PATIENCE_S), FoldingGateway() as made:
        yield made


async def text_until(updates: Updates, offset: int) -> str:
    """The text of the updates up to this offset."""
    text = ""
    while True:
        update = await anext(updates)
        text += str(update["delta"])
        if update.offset == offset:
            return text


async def test_a_late_reader_gets_one_update_that_says_what_it_stands_for(gateway: FoldingGateway) -> None:
    await gateway.stream("abcde")
    async with Client(gateway.url, fold=True) as client:
        project = client.project("p")
        updates = project.updates(rewind=4)
        await client.ping()
        epoch = (project.position or Position("", 0)).epoch
        assert project.position == Position(epoch, 1), "nothing was taken yet"
        update = await anext(updates)
        assert (update["delta"], update.first_offset, update.offset) == ("bcde", 2, 5)
        assert project.position == update.position == Position(epoch, 5)
        await gateway.stream("f")
        update = await anext(updates)
        assert (update["delta"], update.first_offset, update.offset) == ("f", 6, 6)


async def test_a_client_that_does_not_ask_gets_them_one_by_one(gateway: FoldingGateway) -> None:
    await gateway.stream("abc")
    async with Client(gateway.url) as client:
        updates = client.project("p").updates(rewind=3)
        assert [(await anext(updates)).first_offset for _ in range(3)] == [1, 2, 3]
    assert gateway.asked == [False]


@pytest.mark.parametrize("places", [(1, 3), (3, 1), (4, 5), (2, 2)], ids=str)
async def test_readers_at_different_places_get_each_piece_once(
    gateway: FoldingGateway, places: tuple[int, int]
) -> None:
    await gateway.stream("abcdef")
    async with Client(gateway.url, fold=True) as client:
        project = client.project("p")
        first = project.updates(rewind=0)
        await client.ping()
        epoch = (project.position or Position("", 0)).epoch
        await first.aclose()
        readers = [project.updates(since=Position(epoch, place)) for place in places]
        texts = [await text_until(reader, 6) for reader in readers]
        assert texts == ["abcdef"[place:] for place in places]
        await gateway.stream("g")
        assert [await text_until(reader, 7) for reader in readers] == ["g", "g"]
    assert gateway.asked[-1] == (places[0] == places[1]), "in the end, nothing is joined for those who differ"
