"""What a failed call says about the node: the DynamoDB log store's `failure`, which makes `/ready` 503."""

import pytest

from demo.testing import Emulator
from tests.support.clock import SteeredClock
from tests.support.ports_testing import Asked, Tasks, dynamodb_log, impatience, new_project, quick_table
from tests.support.ports_testing import segment as made
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.table import Table
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.ports.log_store import Committed, Tail, Unavailable

pytestmark = pytest.mark.asyncio


@pytest.fixture
def table(aws: Aws, table_name: str) -> Table:
    return quick_table(table_name, AwsWire(aws).call)


@pytest.fixture
def store(table: Table, clock: SteeredClock, tasks: Tasks) -> Asked:
    return dynamodb_log(table, clock, tasks)


@pytest.mark.parametrize("mode", ["error", "throttle", "stall"])
async def test_one_projects_failed_read_is_no_fault_of_the_node_until_a_check_fails(
    store: Asked, table: Table, emulator: Emulator, mode: str
) -> None:
    """A long log, or a hot partition: other projects are served, so the node stays ready."""
    project = new_project()
    assert isinstance(await store.append(project, made(1, [b"a"])), Committed)
    emulator.add_fault("dynamodb", mode, operation="Query", stall_s=300)
    with impatience(table):
        assert isinstance(await store.read(project, 0), Unavailable)
        assert isinstance(await store.open(project), Unavailable)
        assert store.store.failure() is None
        await store.store.check()
        assert store.store.failure()
    emulator.clear_faults()
    await store.store.check()
    assert store.store.failure() is None


@pytest.mark.parametrize("finds_out", ["check", "append"])
async def test_a_table_that_takes_no_writes_is_a_fault_although_reads_go_on(
    store: Asked, table: Table, emulator: Emulator, finds_out: str
) -> None:
    """A right that is missing, or throttled writes. Before, each read made the node ready, and updates were received
    that nobody could publish."""
    project = new_project()
    if finds_out == "append":
        assert isinstance(await store.append(project, made(1, [b"a"])), Committed)
    emulator.add_fault("dynamodb", "throttle", operation="PutItem")
    with impatience(table):
        if finds_out == "append":
            assert isinstance(await store.append(project, made(2, [b"b"])), Unavailable)
        else:
            await store.store.check()
    for _ in range(2):
        assert isinstance(await store.open(project), Tail)
        assert isinstance(await store.read(project, 0), Tail)
        assert store.store.failure()
    emulator.clear_faults()
    assert isinstance(await store.append(project, made(2 if finds_out == "append" else 1, [b"b"])), Committed)
    assert store.store.failure() is None
