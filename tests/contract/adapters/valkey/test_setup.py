"""The parts of one node, joined as `serve` joins them, on a real server."""

import asyncio

import pytest

from tests.support.broken_aws import refused_port
from tests.support.clock import SteeredClock
from tests.support.nodes import NotedEvents
from tests.support.patience import PATIENCE_S
from tests.support.ports_testing import Asked, new_project, payloads_of
from tests.support.ports_testing import segment as made
from tests.support.valkeys import Valkey, running_valkey
from websocket_handler.adapters.announced import AnnouncedLogStore
from websocket_handler.adapters.valkey.log_store import ValkeyLogOptions
from websocket_handler.adapters.valkey.server import Unreachable
from websocket_handler.adapters.valkey.setup import SharedValkey, probe
from websocket_handler.background import Background

pytestmark = pytest.mark.asyncio


async def test_what_one_node_writes_another_one_hears_of_and_reads(valkey: Valkey) -> None:
    background, heard = Background(NotedEvents()), asyncio.Queue[tuple[str, str, int]]()
    try:
        stores: list[Asked] = []
        for name in ("a", "b"):
            shared = SharedValkey(str(valkey.url), name, background.keep)
            log = shared.log_store(background.start, SteeredClock(), lambda: "id", ValkeyLogOptions())
            stores.append(Asked(AnnouncedLogStore(log, shared.backplane)))
            background.start(shared.backplane.run(lambda *message: heard.put_nowait(message)))
        project = new_project()
        await stores[1].opened(project)
        assert await asyncio.wait_for(heard.get(), PATIENCE_S) == (project, "", 0)
        await stores[0].append(project, made(1, [b"x"]))
        assert await asyncio.wait_for(heard.get(), PATIENCE_S) == (project, "e1", 1)
        assert payloads_of(await stores[1].followed(project, 0)) == [b"x"]
    finally:
        await background.end()


async def test_a_probe_says_what_the_server_is(valkey: Valkey) -> None:
    assert (await probe(str(valkey.url))).endswith(", 0 replicas")
    with running_valkey("valkey-9.1", "--maxmemory-policy", "allkeys-lru") as evicting:
        assert "allkeys-lru, so logs may vanish" in await probe(str(evicting.url))
    with refused_port() as port, pytest.raises(Unreachable):
        await probe(f"redis://127.0.0.1:{port}")
