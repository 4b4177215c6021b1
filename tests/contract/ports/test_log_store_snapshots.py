"""What every log store promises of the snapshots of runs."""

import pytest

from tests.support.ports_testing import Asked, new_project, payloads_of
from tests.support.ports_testing import segment as made
from websocket_handler.ports.log_store import SNAPSHOT_BYTES_MAX, Snapshot

pytestmark = pytest.mark.asyncio


async def test_a_snapshot_comes_back_as_it_was_kept(store: Asked) -> None:
    project = new_project()
    await store.append(project, made(1, [b"a", b"b", b"c"]))
    assert await store.newest(project) is None
    first = Snapshot("e1", 2, bytes(range(256)))
    assert await store.keep(project, first) is True
    assert await store.newest(project) == first
    assert await store.newest(new_project()) is None
    assert payloads_of(await store.opened(project)) == [b"a", b"b", b"c"], "no reader of the log sees it"


async def test_an_older_snapshot_never_replaces_a_newer_one(store: Asked) -> None:
    project = new_project()
    await store.append(project, made(1, [b"x"] * 12))
    newer = Snapshot("e1", 10, b"newer")
    assert await store.keep(project, newer) is True
    for offset in (9, 10):
        assert await store.keep(project, Snapshot("e1", offset, b"older")) is False
    assert await store.newest(project) == newer
    assert await store.keep(project, Snapshot("e1", 11, b"newest")) is True
    assert await store.newest(project) == Snapshot("e1", 11, b"newest")


async def test_the_largest_snapshot(store: Asked) -> None:
    project = new_project().ljust(128, "p")
    await store.append(project, made(1, [b"a"], epoch="e" * 64))
    largest = Snapshot("e" * 64, 1, b"x" * SNAPSHOT_BYTES_MAX)
    assert await store.keep(project, largest) is True
    assert await store.newest(project) == largest
    assert store.store.failure() is None
