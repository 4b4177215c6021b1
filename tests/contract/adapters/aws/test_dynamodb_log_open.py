"""What an open of the DynamoDB log store reads, whatever the clock does meanwhile."""

from typing import Any

import pytest

from tests.support.clock import SteeredClock
from tests.support.ports_testing import Tasks, dynamodb_log, new_project, quick_table
from websocket_handler.adapters.aws.dynamodb_log import DynamoDbLogOptions
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.hub.log import LogLimits
from websocket_handler.ports.log_store import Record, Segment


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
