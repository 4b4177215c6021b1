"""One node from its settings, in this process and on real sockets: what it says at its start, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
import pytest
import pytest_asyncio

from tests.support.patience import PATIENCE_S
from websocket_handler.app import App
from websocket_handler.config import from_environment
from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.log import EventLog

pytestmark = pytest.mark.asyncio

SETTINGS: Final = {
    "DYNAMODB_TABLE_NAME": "table",
    "LOG_STORE": "memory",
    "AWS_REGION": "us-east-1",
    "WEBSOCKET_HOST": "127.0.0.1",
    "WEBSOCKET_PORT": "0",
    "DRAIN_SECONDS": "30",
    **{f"SQS_QUEUE_URL_{agent}": "http://127.0.0.1:9/queue" for agent in ("PM", "DEV", "QA", "OPS")},
}


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, object]]]:
    """What the node logs."""
    logged: list[tuple[str, dict[str, object]]] = []

    def emit(_self: EventLog, event: str, **fields: object) -> None:
        logged.append((event, fields))

    monkeypatch.setattr(EventLog, "emit", emit)
    return logged


@pytest_asyncio.fixture(autouse=True)
async def _thawed(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A node freezes what exists when it starts; here the tests go on."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    yield
    gc.unfreeze()


def app(**more: str) -> App:
    return App(from_environment(SETTINGS | more), Counters(), "node-7")


async def test_a_node_serves_from_its_start_to_its_stop(events: list[tuple[str, dict[str, object]]]) -> None:
    node = app()
    await node.start()
    url = f"http://127.0.0.1:{node.port}"
    async with aiohttp.ClientSession(url, trust_env=False) as session:
        async with session.get("/health") as response:
            assert (response.status, await response.text()) == (200, "OK")
        async with session.ws_connect("/ws") as client:
            greeting = await client.receive_json(timeout=PATIENCE_S)
            assert (greeting["type"], greeting["node_id"]) == ("connected", "node-7")
            stopping = asyncio.create_task(node.stop())
            told = await client.receive_json(timeout=PATIENCE_S)
            assert (told["type"], told["reason"]) == ("reconnect", "draining")
            await client.close()
            await stopping
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", node.port)
    names = [event for event, _ in events]
    assert names.index("node.listening") < names.index("node.draining") < names.index("node.stopped")


async def test_it_says_where_it_listens_and_how_it_works(events: list[tuple[str, dict[str, object]]]) -> None:
    node = app(NATIVE_SEND="off")
    await node.start()
    (fields,) = [fields for event, fields in events if event == "node.listening"]
    assert fields == {"host": "127.0.0.1", "port": node.port, "log_store": "memory", "native_send": False}
    await node.stop()


@pytest.mark.parametrize(
    ("more", "is_told"),
    [
        ({"WEBSOCKET_HOST": "127.0.0.1"}, False),
        ({"WEBSOCKET_HOST": "localhost"}, False),
        ({"WEBSOCKET_HOST": "0.0.0.0"}, True),
        ({"WEBSOCKET_HOST": "0.0.0.0", "AUTH_MODE": "jwt", "JWT_SECRETS": "s" * 32}, False),
    ],
    ids=["loopback", "localhost", "everywhere", "with tokens"],
)
async def test_a_node_that_everybody_can_reach_and_use_is_told(
    more: dict[str, str], is_told: bool, events: list[tuple[str, dict[str, object]]]
) -> None:
    node = app(**more)
    await node.start()
    assert ("node.insecure" in [event for event, _ in events]) == is_told
    await node.stop()


async def test_a_port_that_is_taken_is_raised() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        node = app(WEBSOCKET_PORT=str(taken.getsockname()[1]))
        with pytest.raises(OSError, match="ddress already in use"):
            await node.start()


async def test_a_drain_is_cut_short(events: list[tuple[str, dict[str, object]]]) -> None:
    node = app()
    await node.start()
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{node.port}", trust_env=False) as session,
        session.ws_connect("/ws", autoclose=False) as client,
    ):
        await client.receive_json(timeout=PATIENCE_S)
        stopping = asyncio.create_task(node.stop())
        await client.receive_json(timeout=PATIENCE_S)
        node.stop_now()
        async with asyncio.timeout(PATIENCE_S):
            await stopping
    assert "node.stopped" in [event for event, _ in events]
