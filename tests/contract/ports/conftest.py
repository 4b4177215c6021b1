"""Every log store, for the tests of what they all promise."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.clock import SteeredClock
from tests.support.emulators import NewAws
from tests.support.ports_testing import Asked, MakeStore, Tasks, dynamodb_log, quick_table
from tests.support.valkey_logs import running_logs
from tests.support.valkeys import KINDS, Valkeys
from websocket_handler.adapters.aws.dynamodb_log import DynamoDbLogOptions
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.adapters.valkey.log_store import ValkeyLogOptions
from websocket_handler.hub.log import LogLimits


@pytest_asyncio.fixture(params=["memory", "dynamodb", *KINDS])
async def make_store(
    request: pytest.FixtureRequest,
    new_aws: NewAws,
    table_name: str,
    clock: SteeredClock,
    tasks: Tasks,
    valkeys: Valkeys,
) -> AsyncIterator[MakeStore]:
    if request.param == "memory":
        yield lambda limits: Asked(MemoryLogStore(clock, limits))
    elif request.param == "dynamodb":
        async with new_aws() as aws:
            table = quick_table(table_name, AwsWire(aws).call)
            yield lambda limits: dynamodb_log(table, clock, tasks, DynamoDbLogOptions(limits))
    else:
        async with running_logs(clock, tasks) as nodes:
            yield lambda limits: Asked(nodes.log(valkeys[request.param], ValkeyLogOptions(limits)))


@pytest.fixture
def store(make_store: MakeStore) -> Asked:
    return make_store(LogLimits())
