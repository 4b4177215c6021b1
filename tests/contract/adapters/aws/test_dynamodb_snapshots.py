"""What the item of a snapshot does beyond the port."""

from collections.abc import AsyncIterator
from random import Random

import pytest
import pytest_asyncio

from tests.support.clock import SteeredClock
from tests.support.emulators import NewAws
from tests.support.ports_testing import Asked, LossyCall, Tasks, dynamodb_log, impatience, new_project, quick_table
from websocket_handler.adapters.aws.dynamodb_append import RETENTION_MARGIN_S
from websocket_handler.adapters.aws.table import Table
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.hub.log import LogLimits
from websocket_handler.ports.log_store import Snapshot, Unavailable

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def call(new_aws: NewAws) -> AsyncIterator[LossyCall]:
    async with new_aws() as aws:
        yield LossyCall(AwsWire(aws).call, Random(1))


@pytest.fixture
def table(call: LossyCall, table_name: str) -> Table:
    return quick_table(table_name, call)


@pytest.fixture
def store(table: Table, clock: SteeredClock, tasks: Tasks) -> Asked:
    return dynamodb_log(table, clock, tasks)


async def test_a_snapshot_of_another_epoch_is_replaced(store: Asked) -> None:
    project = new_project()
    assert await store.keep(project, Snapshot("e2", 90, b"old")) is True
    assert await store.keep(project, Snapshot("e1", 3, b"new")) is True
    assert await store.newest(project) == Snapshot("e1", 3, b"new")


async def test_a_snapshot_expires_with_its_log(store: Asked, clock: SteeredClock) -> None:
    project = new_project()
    assert await store.keep(project, Snapshot("e1", 90, b"old")) is True
    clock.advance(LogLimits().seconds + RETENTION_MARGIN_S + 1)
    assert await store.newest(project) is None
    assert await store.keep(project, Snapshot("e1", 3, b"new")) is True
    assert await store.newest(project) == Snapshot("e1", 3, b"new")


async def test_a_table_that_does_not_answer_is_unavailable(store: Asked, call: LossyCall, table: Table) -> None:
    call.before = 1.0
    with impatience(table):
        assert isinstance(await store.keep("p", Snapshot("e", 1, b"")), Unavailable)
        assert isinstance(await store.newest("p"), Unavailable)
