"""The fake gateway that users test with makes the troubles that it says, and the client gets over them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.patience import PATIENCE_S
from websocket_handler_client import Client, ClosedError, Options, RefusedError, Updates
from websocket_handler_client.testing import FakeGateway

pytestmark = pytest.mark.asyncio
QUICK = Options(backoff_base_s=0.001, backoff_max_s=0.01)


@pytest_asyncio.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    """A fake gateway."""
    async with asyncio.timeout(PATIENCE_S), FakeGateway() as made:
        yield made


async def numbers(updates: Updates, wanted: int) -> list[int]:
    """The numbers of the next updates."""
    return [(await anext(updates))["n"] for _ in range(wanted)]


@pytest.mark.parametrize("trouble", ["cut", "drain", "expire_token", "end with 1012", "stall and flow"])
async def test_a_trouble_is_not_seen_in_the_updates(gateway: FakeGateway, trouble: str) -> None:
    async with Client(gateway.url, token=lambda: "t", options=QUICK) as client:
        updates = client.project("p").updates()
        await client.ping()
        await gateway.publish("p", {"n": 0})
        match trouble:
            case "cut":
                gateway.cut()
            case "drain":
                await gateway.drain()
            case "expire_token":
                await gateway.expire_token()
            case "stall and flow":
                gateway.stall()
                gateway.flow()
            case _:
                await gateway.end(1012)
        await gateway.publish("p", {"n": 1})
        assert await numbers(updates, 2) == [0, 1]
        assert set(gateway.tokens) == {"t"}
        assert gateway.handshakes == (1 if trouble == "stall and flow" else 2)


async def test_a_reset_and_a_double(gateway: FakeGateway) -> None:
    news: list[Any] = []
    async with Client(gateway.url) as client:
        updates = client.project("p").updates(on_reset=lambda place: news.append(place.offset))
        await client.ping()
        await gateway.publish("p", {"n": 0})
        await gateway.duplicate("p")
        news += await numbers(updates, 1)
        await gateway.reset("p")
        await gateway.publish("p", {"n": 1})
        news += await numbers(updates, 1)
    assert news == [0, 0, 1]


async def test_an_operator_ends_it(gateway: FakeGateway) -> None:
    async with Client(gateway.url) as client:
        updates = client.project("p").updates()
        await client.ping()
        await gateway.end()
        with pytest.raises(ClosedError, match="close_4500"):
            await anext(updates)


async def test_what_clients_do_is_kept(gateway: FakeGateway) -> None:
    async with Client(gateway.url) as client:
        project = client.project("p")
        updates = project.updates()
        for _ in range(2):
            await client.forward("dev", {"task": "it"}, message_id="m")
            await project.publish({"n": 1}, key="k")
        with pytest.raises(RefusedError, match="conflict"):
            await project.publish({"n": 2}, key="k")
        assert await numbers(updates, 1) == [1]
        assert [task["data"] for task in gateway.tasks] == [{"task": "it"}]
        assert [message["n"] for message in gateway.published("p")] == [1]
        assert [message["n"] for message in (await project.history(after=0)).messages] == [1]
        assert len(await project.presence()) == 1
        assert await numbers(project.updates(since=f"{(await project.history()).position.epoch}:0"), 1) == [1]
        with pytest.raises(RefusedError, match="unknown_action"):
            await client._driver.call({"action": "weather"}, 10, 0)
