"""The contract of `ports.peers`, for memory and for the table."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.clock import SteeredClock
from tests.support.emulators import NewAws
from tests.support.ports_testing import Tasks
from tests.support.valkey_logs import running_logs
from tests.support.valkeys import NEWEST, Valkeys
from websocket_handler.adapters.aws.dynamodb_peers import DynamoDbPeers
from websocket_handler.adapters.aws.table import Table
from websocket_handler.adapters.memory import MemoryPeers
from websocket_handler.adapters.system.ids import new_id
from websocket_handler.adapters.valkey.peers import ValkeyPeers
from websocket_handler.ports.peers import PEER_LIFETIME_S, Peers

NOW = 1_800_000_000.0


@pytest_asyncio.fixture(params=["memory", "dynamodb", "valkey"])
async def peers(
    request: pytest.FixtureRequest,
    new_aws: NewAws,
    table_name: str,
    clock: SteeredClock,
    tasks: Tasks,
    valkeys: Valkeys,
) -> AsyncIterator[Peers]:
    """Nodes that share one table, one server, or one process."""
    if request.param == "memory":
        yield MemoryPeers()
    elif request.param == "dynamodb":
        async with new_aws() as aws:
            yield DynamoDbPeers(Table(table_name, aws.call))
    else:
        async with running_logs(clock, tasks) as logs:
            yield ValkeyPeers(logs.link(valkeys[NEWEST]))


@pytest.mark.asyncio
async def test_nodes_learn_of_each_other_and_of_leaving(peers: Peers) -> None:
    """Each announcement tells the others, never oneself."""
    one, two = f"one-{new_id()}", f"two-{new_id()}"

    assert two not in await peers.announce(one, NOW)
    seen = await peers.announce(two, NOW + 1)
    assert one in seen
    assert two not in seen
    assert two in await peers.announce(one, NOW + 2)

    await peers.leave(two)
    await peers.leave(two)

    assert two not in await peers.announce(one, NOW + 3)


@pytest.mark.asyncio
async def test_a_node_that_fell_silent_is_forgotten(peers: Peers) -> None:
    """A crash leaves no farewell."""
    one, two = f"one-{new_id()}", f"two-{new_id()}"
    await peers.announce(two, NOW)

    assert two in await peers.announce(one, NOW + PEER_LIFETIME_S - 1)
    assert two not in await peers.announce(one, NOW + PEER_LIFETIME_S + 1)
