"""What every state store promises: what was written last is what others see."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from demo.resources import TABLE_NAME
from demo.testing import Emulator
from tests.support.clock import BEGIN, SteeredClock
from tests.support.memory_ports import MemoryStateStore
from tests.support.ports_testing import LossyCall, impatience, quick_table
from websocket_handler.adapters.aws.dynamodb_state import TTL_S, DynamoDbStateStore
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.ports.state_store import ConnectionRecord, StateStore, StateUnavailable

pytestmark = pytest.mark.asyncio
Seen = Callable[[str], dict[str, float] | None]


def record(connection_id: str, *projects: str, since: float = BEGIN) -> ConnectionRecord:
    return ConnectionRecord(connection_id, "node-1", BEGIN, dict.fromkeys(projects, since))


def new_id() -> str:
    return uuid4().hex


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest, aws: Aws, clock: SteeredClock) -> StateStore:
    if request.param == "memory":
        return MemoryStateStore()
    return DynamoDbStateStore(quick_table(TABLE_NAME, AwsWire(aws).call), clock)


def items(dynamodb: Any, partition: str) -> dict[str, dict[str, Any]]:
    answer = dynamodb.query(
        TableName=TABLE_NAME,
        KeyConditionExpression="PK = :key",
        ExpressionAttributeValues={":key": {"S": partition}},
        ConsistentRead=True,
    )
    return {item["SK"]["S"]: item for item in answer["Items"]}


@pytest.fixture
def seen(store: StateStore, dynamodb: Any) -> Seen:
    """What others see of a connection: its projects, None without a record. Both directions must agree."""

    def seen(connection_id: str) -> dict[str, float] | None:
        if isinstance(store, MemoryStateStore):
            known = store.records.get(connection_id)
            return None if known is None else dict(known.subscriptions)
        found = items(dynamodb, f"WS#CONN#{connection_id}")
        if not found:
            return None
        assert "META" in found
        projects = [key.removeprefix("SUB#") for key in found if key != "META"]
        for project in projects:
            assert f"CONN#{connection_id}" in items(dynamodb, f"WS#PROJECT#{project}")
        return dict.fromkeys(projects, BEGIN)

    return seen


async def test_a_connection_comes_changes_and_goes(store: StateStore, seen: Seen, dynamodb: Any) -> None:
    one, p1, p2, p3 = (new_id() for _ in range(4))
    await store.write([record(one)], [], BEGIN)
    assert seen(one) == {}
    await store.write([record(one, p1, p2)], [], BEGIN)
    assert seen(one) == {p1: BEGIN, p2: BEGIN}
    await store.write([record(one, p2, p3)], [], BEGIN)
    assert seen(one) == {p2: BEGIN, p3: BEGIN}
    await store.write([], [one], BEGIN)
    assert seen(one) is None
    for project in (p1, p2, p3):
        assert not items(dynamodb, f"WS#PROJECT#{project}")


async def test_repeating_changes_nothing(store: StateStore, seen: Seen) -> None:
    one, other, project = new_id(), new_id(), new_id()
    for _ in range(3):
        await store.write([record(one, project), record(other)], [], BEGIN)
    assert seen(one) == {project: BEGIN}
    for _ in range(3):
        await store.write([record(other)], [one], BEGIN)
    assert seen(one) is None
    assert seen(other) == {}
    await store.write([], [new_id()], BEGIN)


async def test_many_connections_and_subscriptions(store: StateStore, seen: Seen) -> None:
    connections = {new_id(): [new_id() for _ in range(count)] for count in (0, 1, 12, 13, 60, 3, 0)}
    await store.write([record(one, *projects) for one, projects in connections.items()], [], BEGIN)
    for one, projects in connections.items():
        assert seen(one) == dict.fromkeys(projects, BEGIN)
    await store.write([], list(connections), BEGIN)
    assert [seen(one) for one in connections] == [None] * len(connections)


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
