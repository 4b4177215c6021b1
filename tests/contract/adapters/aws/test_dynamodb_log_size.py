"""An item of DynamoDB holds 400 KB: what is larger is its sender's fault, and nobody else's."""

import pytest

from tests.support.clock import SteeredClock
from tests.support.ports_testing import Asked, Tasks, dynamodb_log, new_project, payloads_of, quick_table
from tests.support.ports_testing import segment as made
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.ports.log_store import Committed, TooLarge

pytestmark = pytest.mark.asyncio

ITEM_BYTES_MAX = 409_600


@pytest.fixture
def store(aws: Aws, table_name: str, clock: SteeredClock, tasks: Tasks) -> Asked:
    return dynamodb_log(quick_table(table_name, AwsWire(aws).call), clock, tasks)


async def test_a_segment_beyond_an_item_is_too_large_and_the_store_is_well(store: Asked) -> None:
    project = new_project()
    assert isinstance(await store.append(project, made(1, [b"a"])), Committed)
    for payloads in ([b"x" * ITEM_BYTES_MAX], [b"x" * 1000] * 410):
        assert isinstance(await store.append(project, made(2, payloads)), TooLarge)
        assert store.store.failure() is None
    assert isinstance(await store.append(project, made(2, [b"b"])), Committed)
    assert payloads_of(await store.opened(project)) == [b"a", b"b"]
