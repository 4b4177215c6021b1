"""Announcements of nodes: what an outage looks like, and what stays on the server."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from tests.support.clock import SteeredClock
from tests.support.ports_testing import Tasks
from tests.support.valkey_logs import Logs, running_logs
from tests.support.valkeys import Valkey, running_valkey
from websocket_handler.adapters.valkey.link import LinkOptions
from websocket_handler.adapters.valkey.peers import KEY, ValkeyPeers
from websocket_handler.ports.peers import PEER_LIFETIME_S, PeersUnavailable

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def logs(clock: SteeredClock, tasks: Tasks) -> AsyncIterator[Logs]:
    async with running_logs(clock, tasks) as logs:
        yield logs


async def test_an_outage_is_told(logs: Logs) -> None:
    with running_valkey() as server:
        peers = ValkeyPeers(logs.link(server, LinkOptions(timeout_s=0.1)))
        server.stop()
        with pytest.raises(PeersUnavailable):
            await peers.announce("a", 1.0)
        with pytest.raises(PeersUnavailable):
            await peers.leave("a")


async def test_a_node_that_fell_silent_is_removed(valkey: Valkey, logs: Logs) -> None:
    peers = ValkeyPeers(logs.link(valkey))
    await peers.announce("old", 100.0)
    await peers.announce("new", 100.0 + PEER_LIFETIME_S)
    async with Redis(port=valkey.port) as other:
        assert await other.hkeys(KEY) == [b"new"]
