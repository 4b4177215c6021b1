"""How nodes agree on the epoch of an empty log in the table."""

from typing import Any

import pytest

from tests.support.clock import SteeredClock
from tests.support.ports_testing import Tasks, dynamodb_log, new_project, quick_table
from websocket_handler.adapters.aws.dynamodb_log import RETENTION_MARGIN_S
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.ports.log_store import BEGUN_S


@pytest.mark.asyncio
async def test_the_epoch_of_an_empty_log_is_kept_while_somebody_asks_for_it(
    aws: Aws, table_name: str, dynamodb: Any, clock: SteeredClock, tasks: Tasks
) -> None:
    store, project = dynamodb_log(quick_table(table_name, AwsWire(aws).call), clock, tasks), new_project()
    key = {"PK": {"S": f"WS#LOG#{project}"}, "SK": {"S": "00000000000000000000"}}
    assert await store.begin(project, "e1") == "e1"
    for waits_s in (BEGUN_S / 4, BEGUN_S / 2, BEGUN_S / 2):
        clock.advance(waits_s)
        assert await store.begin(project, "e2") == "e1", "whoever asks, and whatever epoch they bring"
    item = dynamodb.get_item(TableName=table_name, Key=key)["Item"]
    assert item["e"] == {"S": "e1"}
    lasts_s = int(item["ttl"]["N"]) - clock.wall()
    assert BEGUN_S / 2 - 1 <= lasts_s <= BEGUN_S < RETENTION_MARGIN_S, "no log ends before it"
    assert (await store.opened(project)).head == 0
    clock.advance(BEGUN_S)
    assert await store.begin(project, "e2") == "e2"
