"""The items under which nodes find each other in the table, and a table that is not there."""

from collections.abc import Callable
from typing import Any

import pytest

from websocket_handler.adapters.aws.dynamodb_peers import DynamoDbPeers
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.table import Table
from websocket_handler.adapters.system.ids import new_id
from websocket_handler.ports.peers import PEER_LIFETIME_S, PeersUnavailable

NOW = 1_800_000_000.0


@pytest.mark.asyncio
async def test_a_table_that_is_gone_is_said_so(aws: Aws) -> None:
    """Nobody can be asked then."""
    absent = DynamoDbPeers(Table("no-such-table", aws.call, timeout_s=1))

    with pytest.raises(PeersUnavailable):
        await absent.announce("one", NOW)
    with pytest.raises(PeersUnavailable):
        await absent.leave("one")


@pytest.fixture
def peers(aws: Aws, table_name: str) -> DynamoDbPeers:
    return DynamoDbPeers(Table(table_name, aws.call))


@pytest.fixture
def put(dynamodb: Any, table_name: str) -> Callable[..., None]:
    """Writes an announcement that no node of this version makes."""

    def put(node_id: str, **attributes: dict[str, str]) -> None:
        item = {"PK": {"S": "WS#NODES"}, "SK": {"S": node_id}, **attributes}
        dynamodb.put_item(TableName=table_name, Item=item)

    return put


@pytest.mark.asyncio
async def test_an_announcement_is_one_item_that_expires_with_its_node(
    peers: DynamoDbPeers, dynamodb: Any, table_name: str
) -> None:
    """DynamoDB deletes it some time after its TTL; until then the node counts as gone all the same."""
    node_id = f"one-{new_id()}"
    await peers.announce(node_id, NOW)
    await peers.announce(node_id, NOW + 10.9)
    key = {"PK": {"S": "WS#NODES"}, "SK": {"S": node_id}}
    found = dynamodb.get_item(TableName=table_name, Key=key, ConsistentRead=True)["Item"]
    assert found == {**key, "ttl": {"N": str(int(NOW + 10.9 + PEER_LIFETIME_S))}}
    await peers.leave(node_id)
    assert "Item" not in dynamodb.get_item(TableName=table_name, Key=key, ConsistentRead=True)


@pytest.mark.asyncio
@pytest.mark.parametrize("ttl", [None, {"S": "soon"}, {"N": "1.5"}, {"N": "0"}])
async def test_an_announcement_of_a_strange_form_is_of_nobody_who_lives(
    ttl: dict[str, str] | None, peers: DynamoDbPeers, put: Callable[..., None]
) -> None:
    strange, living = f"strange-{new_id()}", f"living-{new_id()}"
    put(strange, **({} if ttl is None else {"ttl": ttl}))
    put(living, ttl={"N": str(int(NOW) + 1)})
    seen = await peers.announce(f"one-{new_id()}", NOW)
    assert strange not in seen
    assert living in seen
