"""What every state store promises: what was written last is what others see."""

from collections.abc import Callable
from typing import Any

import pytest

from demo.resources import TABLE_NAME
from tests.support.clock import BEGIN, SteeredClock
from tests.support.connection_records import items, new_id, record
from tests.support.memory_ports import MemoryStateStore
from tests.support.ports_testing import quick_table
from websocket_handler.adapters.aws.dynamodb_state import DynamoDbStateStore
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.ports.state_store import StateStore

pytestmark = pytest.mark.asyncio
Seen = Callable[[str], dict[str, float] | None]


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest, aws: Aws, clock: SteeredClock) -> StateStore:
    if request.param == "memory":
        return MemoryStateStore()
    return DynamoDbStateStore(quick_table(TABLE_NAME, AwsWire(aws).call), clock)


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
