"""Nodes announce themselves in the table: one item per node under `WS#NODES`, gone by its TTL when the node is."""

from collections.abc import Mapping, Sequence
from typing import Final

from websocket_handler.adapters.aws.errors import AwsError
from websocket_handler.adapters.aws.table import Table, item_key
from websocket_handler.adapters.overload.gate import NotBegun
from websocket_handler.adapters.overload.queue import Rank
from websocket_handler.ports.peers import PEER_LIFETIME_S, PeersUnavailable

PARTITION: Final = "WS#NODES"
_QUERY: Final = {
    "KeyConditionExpression": "PK = :partition",
    "ExpressionAttributeValues": {":partition": {"S": PARTITION}},
    "ExpressionAttributeNames": {"#ttl": "ttl"},
    "ProjectionExpression": "SK, #ttl",
    "ConsistentRead": True,
}


class DynamoDbPeers:
    """See the port."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def announce(self, node_id: str, now: float) -> Sequence[str]:
        ttl = str(int(now + PEER_LIFETIME_S))
        try:
            async with self._table.turn(Rank.LOG):
                await self._table.call("put_item", Item={**item_key(PARTITION, node_id), "ttl": {"N": ttl}})
                answer = await self._table.call("query", **_QUERY)
        except (AwsError, NotBegun) as error:
            raise PeersUnavailable(str(error)) from error
        live = [item["SK"]["S"] for item in answer["Items"] if _ttl(item) > now]
        return [peer for peer in live if peer != node_id]

    async def leave(self, node_id: str) -> None:
        try:
            async with self._table.turn(Rank.LOG):
                await self._table.call("delete_item", Key=item_key(PARTITION, node_id))
        except (AwsError, NotBegun) as error:
            raise PeersUnavailable(str(error)) from error


def _ttl(item: Mapping[str, Mapping[str, str]]) -> int:
    """When an announcement ends. One of a form that no node of this version writes ended long ago."""
    try:
        return int(item["ttl"]["N"])
    except (KeyError, ValueError):
        return 0
