"""What the DynamoDB state store writes, when, and what it does in an outage."""

import asyncio
from random import Random
from typing import Any

import pytest

from demo.resources import TABLE_NAME
from demo.testing import Emulator
from tests.support.clock import BEGIN, SteeredClock
from tests.support.connection_records import items, new_id, record
from tests.support.ports_testing import LossyCall, impatience, quick_table
from websocket_handler.adapters.aws.dynamodb_state import TTL_S, DynamoDbStateStore
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.ports.state_store import StateUnavailable

pytestmark = pytest.mark.asyncio


async def test_the_items_are_what_is_documented(aws: Aws, clock: SteeredClock, dynamodb: Any) -> None:
    store = DynamoDbStateStore(quick_table(TABLE_NAME, AwsWire(aws).call), clock)
    one, project = new_id(), new_id()
    await store.write([record(one, project)], [], BEGIN)
    found = items(dynamodb, f"WS#CONN#{one}")
    ttl, time = {"N": str(int(BEGIN) + TTL_S)}, {"S": clock.text(BEGIN)}
    assert {name: found["META"][name] for name in ("node_id", "connected_at", "ttl")} == {
        "node_id": {"S": "node-1"},
        "connected_at": time,
        "ttl": ttl,
    }
    assert (found[f"SUB#{project}"]["since"], found[f"SUB#{project}"]["ttl"]) == (time, ttl)
    follower = items(dynamodb, f"WS#PROJECT#{project}")[f"CONN#{one}"]
    assert (follower["connection_id"], follower["node_id"], follower["ttl"]) == ({"S": one}, {"S": "node-1"}, ttl)


async def test_a_refresh_moves_the_expiry_of_everything(aws: Aws, clock: SteeredClock, dynamodb: Any) -> None:
    store = DynamoDbStateStore(quick_table(TABLE_NAME, AwsWire(aws).call), clock)
    one, project = new_id(), new_id()
    await store.write([record(one, project)], [], BEGIN)
    await store.write([record(one, project)], [], BEGIN + 6 * 3600)
    for partition in (f"WS#CONN#{one}", f"WS#PROJECT#{project}"):
        for item in items(dynamodb, partition).values():
            assert item["ttl"] == {"N": str(int(BEGIN) + 6 * 3600 + TTL_S)}


async def test_only_what_changed_is_written(aws: Aws, clock: SteeredClock) -> None:
    lossy = LossyCall(AwsWire(aws).call, Random(1))
    store = DynamoDbStateStore(quick_table(TABLE_NAME, lossy), clock)
    one = record(new_id(), new_id())
    await store.write([one], [], BEGIN)
    assert lossy.calls == 1
    await store.write([one], [], BEGIN + 60)
    assert lossy.calls == 1


async def test_every_key_is_ours(aws: Aws, clock: SteeredClock) -> None:
    keys: list[str] = []

    async def call(service: str, operation: str, timeout_s: float, **parameters: Any) -> dict[str, Any]:
        for request in parameters["RequestItems"][TABLE_NAME]:
            put, delete = request.get("PutRequest"), request.get("DeleteRequest")
            keys.append((put["Item"] if put else delete["Key"])["PK"]["S"])
        return {}

    store = DynamoDbStateStore(quick_table(TABLE_NAME, call), clock)
    await store.write([record("c", "p", "q")], [], BEGIN)
    await store.write([record("c", "q")], [], BEGIN)
    await store.write([], ["c"], BEGIN)
    assert len(keys) == 5 + 2 + 3
    assert all(key.startswith("WS#") for key in keys)


async def test_throttled_items_are_written_again(aws: Aws, clock: SteeredClock, dynamodb: Any) -> None:
    """DynamoDB takes a part of a batch and hands back the rest."""
    wire = AwsWire(aws)

    async def call(service: str, operation: str, timeout_s: float, **parameters: Any) -> dict[str, Any]:
        requests = parameters["RequestItems"][TABLE_NAME]
        taken, rest = requests[:3], requests[3:]
        await wire.call(service, operation, timeout_s, RequestItems={TABLE_NAME: taken})
        return {"UnprocessedItems": {TABLE_NAME: rest} if rest else {}}

    store = DynamoDbStateStore(quick_table(TABLE_NAME, call), clock)
    one, projects = new_id(), [new_id() for _ in range(5)]
    await store.write([record(one, *projects)], [], BEGIN)
    assert len(items(dynamodb, f"WS#CONN#{one}")) == 6
    await store.write([], [one], BEGIN)
    assert not items(dynamodb, f"WS#CONN#{one}")


async def end_outage(emulator: Emulator) -> None:
    """And let what it held up be done."""
    emulator.clear_faults()
    await asyncio.to_thread(emulator.wait_until_under_way, 0, "dynamodb", "BatchWriteItem")


@pytest.mark.parametrize("mode", ["error", "throttle", "stall"])
async def test_an_outage_is_told_and_repeating_heals(
    aws: Aws, clock: SteeredClock, dynamodb: Any, emulator: Emulator, mode: str
) -> None:
    table = quick_table(TABLE_NAME, AwsWire(aws).call)
    store = DynamoDbStateStore(table, clock)
    one, old, new = new_id(), new_id(), new_id()
    await store.write([record(one, old)], [], BEGIN)
    emulator.add_fault("dynamodb", mode, stall_s=300)
    with pytest.raises(StateUnavailable), impatience(table):
        await store.write([record(one, new)], [], BEGIN)
    await end_outage(emulator)
    await store.write([record(one, new)], [], BEGIN)
    assert set(items(dynamodb, f"WS#CONN#{one}")) == {"META", f"SUB#{new}"}
    assert not items(dynamodb, f"WS#PROJECT#{old}")
    emulator.add_fault("dynamodb", mode, stall_s=300)
    with pytest.raises(StateUnavailable), impatience(table):
        await store.write([], [one], BEGIN)
    await end_outage(emulator)
    await store.write([], [one], BEGIN)
    assert not items(dynamodb, f"WS#CONN#{one}")
    assert not items(dynamodb, f"WS#PROJECT#{new}")


async def test_what_was_written_though_it_failed_is_deleted(
    aws: Aws, clock: SteeredClock, dynamodb: Any, emulator: Emulator
) -> None:
    """The answer was lost, and by the next write the subscription, or the connection, is gone."""
    lossy = LossyCall(AwsWire(aws).call, Random(1))
    table = quick_table(TABLE_NAME, lossy)
    store = DynamoDbStateStore(table, clock)
    one, other, project = new_id(), new_id(), new_id()
    await store.write([record(one)], [], BEGIN)
    lossy.after = 1.0
    for connection_id in (one, other):
        with pytest.raises(StateUnavailable), impatience(table):
            await store.write([record(connection_id, project)], [], BEGIN)
    lossy.after = 0.0
    await end_outage(emulator)
    await store.write([record(one)], [other], BEGIN)
    assert set(items(dynamodb, f"WS#CONN#{one}")) == {"META"}
    assert not items(dynamodb, f"WS#CONN#{other}")
    assert not items(dynamodb, f"WS#PROJECT#{project}")
