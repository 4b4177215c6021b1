"""What Valkey promises of snapshots beyond the port: it knows the end of the log."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.clock import SteeredClock
from tests.support.ports_testing import Asked, Tasks, new_project, segment
from tests.support.valkey_logs import running_logs
from tests.support.valkeys import MODEL, NEWEST, Valkeys
from websocket_handler.ports.log_store import Snapshot, Unavailable

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(params=[NEWEST, MODEL])
async def store(
    request: pytest.FixtureRequest, valkeys: Valkeys, clock: SteeredClock, tasks: Tasks
) -> AsyncIterator[Asked]:
    async with running_logs(clock, tasks) as logs:
        yield Asked(logs.log(valkeys[request.param]))


async def test_a_snapshot_that_is_not_of_this_log_is_refused(store: Asked) -> None:
    project = new_project()
    assert await store.keep(project, Snapshot("e1", 1, b"x")) is False
    await store.append(project, segment(1, [b"a", b"b"]))
    assert await store.keep(project, Snapshot("e0", 2, b"x")) is False
    assert await store.keep(project, Snapshot("e1", 3, b"x")) is False
    assert await store.newest(project) is None
    assert await store.keep(project, Snapshot("e1", 2, b"x")) is True


async def test_nothing_is_read_when_nobody_waits(store: Asked) -> None:
    answers: list[object] = []
    store.store.snapshots.newest(new_project(), answers.append, lambda: False)
    (answer,) = answers
    assert isinstance(answer, Unavailable)
    assert answer.is_unwanted
