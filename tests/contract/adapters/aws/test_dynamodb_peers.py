"""The items under which nodes find each other in the table, and a table that is not there."""

import pytest

from websocket_handler.adapters.aws.dynamodb_peers import DynamoDbPeers
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.table import Table
from websocket_handler.ports.peers import PeersUnavailable

NOW = 1_800_000_000.0


@pytest.mark.asyncio
async def test_a_table_that_is_gone_is_said_so(aws: Aws) -> None:
    """Nobody can be asked then."""
    absent = DynamoDbPeers(Table("no-such-table", aws.call, timeout_s=1))

    with pytest.raises(PeersUnavailable):
        await absent.announce("one", NOW)
    with pytest.raises(PeersUnavailable):
        await absent.leave("one")
