"""What an open of the DynamoDB log store reads, whatever the clock does meanwhile, and how nodes agree on the epoch of
an empty log."""

from typing import Any

import pytest

from tests.support.clock import SteeredClock
from tests.support.ports_testing import Tasks, dynamodb_log, new_project, quick_table
from websocket_handler.adapters.aws.dynamodb_append import RETENTION_MARGIN_S
from websocket_handler.adapters.aws.dynamodb_log import DynamoDbLogOptions
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.hub.log import LogLimits
from websocket_handler.ports.log_store import BEGUN_S, Record, Segment


@pytest.mark.asyncio
async def test_a_clock_that_jumps_back_during_an_open_makes_no_key_old(
    aws: Aws, table_name: str, clock: SteeredClock, tasks: Tasks
) -> None:
    """The simulation found it, seed 312: the age of a key was measured from the beginning of a slow open."""
    project, call = new_project(), AwsWire(aws).call

    async def slow_call(service: str, operation: str, timeout_s: float, **parameters: Any) -> dict[str, Any]:
        answer = await call(service, operation, timeout_s, **parameters)
        if operation == "query":
            clock.offset_s -= 400
        return answer

    options = DynamoDbLogOptions(history=LogLimits(messages=1))
    for first in (1, 2):
        segment = Segment("e1", first, f"w{first}", (Record(b"a", clock.wall() - 400, f"k{first}", offset=first),))
        await dynamodb_log(quick_table(table_name, call), clock, tasks).append(project, segment)
    tail = await dynamodb_log(quick_table(table_name, slow_call), clock, tasks, options).opened(project)
    assert [record.key for part in tail.segments for record in part.records] == ["k1", "k2"]


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
