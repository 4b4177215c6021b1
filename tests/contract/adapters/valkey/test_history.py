"""What a node does when the server's log is not the one that it knows."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from tests.support.clock import SteeredClock
from tests.support.ports_testing import Asked, Tasks, new_project, payloads_of
from tests.support.ports_testing import segment as made
from tests.support.valkey_logs import Logs, running_logs
from tests.support.valkeys import MODEL, NEWEST, Valkey, Valkeys
from websocket_handler.adapters.valkey import history
from websocket_handler.adapters.valkey.ends import ENTRIES_MAX
from websocket_handler.adapters.valkey.log_store import ValkeyLogStore
from websocket_handler.adapters.valkey.scripts import BEGUN_MS
from websocket_handler.ports.log_store import Behind, Committed

pytestmark = pytest.mark.asyncio


@pytest.fixture(params=[NEWEST, MODEL])
def server(request: pytest.FixtureRequest, valkeys: Valkeys) -> Valkey:
    return valkeys[request.param]


@pytest_asyncio.fixture
async def logs(clock: SteeredClock, tasks: Tasks) -> AsyncIterator[Logs]:
    async with running_logs(clock, tasks) as logs:
        yield logs


@pytest_asyncio.fixture
async def other(server: Valkey) -> AsyncIterator[Redis]:
    """A second client, which takes writes back as a failover does."""
    async with Redis(port=server.port) as client:
        yield client


async def saved(other: Redis, project: str) -> list[bytes | None]:
    """A log as it is now, for `brought_back`."""
    return [await other.dump(key) for key in ValkeyLogStore.keys(project)]


async def brought_back(other: Redis, project: str, state: list[bytes | None]) -> None:
    for key, value in zip(ValkeyLogStore.keys(project), state, strict=True):
        assert value is not None
        await other.restore(key, 0, value, replace=True)


async def written(store: Asked, project: str, first: int, *payloads: bytes, epoch: str = "e1") -> None:
    for offset, payload in enumerate(payloads, first):
        assert isinstance(await store.append(project, made(offset, [payload], epoch=epoch)), Committed)


async def test_a_lost_tail_is_written_again(server: Valkey, logs: Logs, other: Redis) -> None:
    project, store = new_project(), Asked(logs.log(server))
    await written(store, project, 1, b"a", b"b")
    before = await saved(other, project)
    await written(store, project, 3, b"c", b"d")
    whole = await store.opened(project)
    await brought_back(other, project, before)
    assert await store.opened(project) == whole
    fresh = await Asked(logs.log(server)).opened(project)
    assert (fresh, fresh.epoch) == (whole, "e1")
    await written(store, project, 5, b"e")


async def test_a_node_that_only_read_heals_too(server: Valkey, logs: Logs, other: Redis) -> None:
    project, writer, reader = new_project(), Asked(logs.log(server)), Asked(logs.log(server))
    await written(writer, project, 1, b"a")
    await reader.opened(project)
    before = await saved(other, project)
    await written(writer, project, 2, b"b", b"c")
    await reader.followed(project, 1)
    await brought_back(other, project, before)
    assert (await reader.followed(project, 3)).head == 3
    assert payloads_of(await writer.opened(project)) == [b"a", b"b", b"c"]


async def test_a_log_that_is_lost_whole_is_written_again(server: Valkey, logs: Logs, other: Redis) -> None:
    project, store = new_project(), Asked(logs.log(server))
    await written(store, project, 1, b"a", b"b")
    await other.delete(*ValkeyLogStore.keys(project))
    tail = await store.followed(project, 2)
    assert (tail.epoch, tail.head) == ("e1", 2)
    assert payloads_of(await Asked(logs.log(server)).opened(project)) == [b"a", b"b"]


async def test_a_log_that_no_node_holds_from_its_beginning_is_gone(server: Valkey, logs: Logs, other: Redis) -> None:
    project, store = new_project(), Asked(logs.log(server))
    await written(store, project, 1, *[b"a"] * (ENTRIES_MAX + 1))
    await other.delete(*ValkeyLogStore.keys(project))
    assert (await store.followed(project, ENTRIES_MAX + 1)).epoch is None
    await written(store, project, 1, b"new", epoch="e2")


@pytest.mark.parametrize("further", [1, 2, 5])
async def test_a_fork_begins_a_new_epoch(server: Valkey, logs: Logs, other: Redis, further: int) -> None:
    """Others wrote at offsets that this node's clients have seen: fewer, as many, or more."""
    project, store = new_project(), Asked(logs.log(server))
    await written(store, project, 1, b"a", b"b")
    before = await saved(other, project)
    await written(store, project, 3, b"lost", b"lost too")
    await brought_back(other, project, before)
    elsewhere = Asked(logs.log(server))
    await elsewhere.opened(project)
    theirs = [b"%d" % number for number in range(further)]
    await written(elsewhere, project, 3, *theirs)

    tail = await store.followed(project, 4)

    assert tail.epoch not in (None, "e1")
    assert isinstance(await store.append(project, made(5, [b"x"])), Behind)
    assert isinstance(await elsewhere.append(project, made(3 + further, [b"x"])), Behind)
    opened = await elsewhere.opened(project)
    assert (opened.epoch, payloads_of(opened)) == (tail.epoch, [b"a", b"b", *theirs])
    assert await store.opened(project) == opened


async def test_a_fork_is_seen_at_the_append(server: Valkey, logs: Logs, other: Redis) -> None:
    project, store = new_project(), Asked(logs.log(server))
    await written(store, project, 1, b"a")
    before = await saved(other, project)
    await written(store, project, 2, b"lost")
    await brought_back(other, project, before)
    elsewhere = Asked(logs.log(server))
    await elsewhere.opened(project)
    await written(elsewhere, project, 2, b"theirs")
    movable = made(3, [b"x"])
    assert isinstance(await store.append(project, type(movable)("e1", 3, uuid4().hex, movable.records, True)), Behind)
    assert (await store.followed(project, 2)).epoch != "e1"


async def test_a_server_that_restarted_and_lost_nothing_keeps_its_epochs(
    server: Valkey, logs: Logs, other: Redis
) -> None:
    """It may be another generation all the same: this node knows the log, and says so to the others."""
    project, store = new_project(), Asked(logs.log(server))
    await written(store, project, 1, b"a")
    end = ValkeyLogStore.keys(project)[1]
    generation = await other.hget(end, "g")
    assert generation, "it is known from the first segment on"
    await other.hset(end, "g", "another")
    assert isinstance(await store.append(project, made(2, [b"b"])), Behind)
    assert (await store.followed(project, 1)).epoch == "e1"
    assert await other.hget(end, "g") == generation
    await written(store, project, 2, b"b")


async def test_reads_and_appends_mean_the_same_generation(server: Valkey, logs: Logs, other: Redis) -> None:
    """A server was demoted and promoted again, and both links kept their connections."""
    project, log = new_project(), logs.log(server)
    store, reads = Asked(log), log._history._link
    await written(store, project, 1, b"a")
    await store.opened(project)
    assert reads.facts is not None
    reads.facts = replace(reads.facts, generation="before")
    await other.hset(ValkeyLogStore.keys(project)[1], "g", "another")
    assert (await store.followed(project, 1)).epoch == "e1"
    await written(store, project, 2, b"b")


async def test_a_log_of_another_generation_that_no_node_knows_begins_a_new_epoch(
    server: Valkey, logs: Logs, other: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client of a node that died may hold offsets that nobody alive knows."""
    monkeypatch.setattr(history, "HEAL_S", 0.0)
    project = new_project()
    await written(Asked(logs.log(server)), project, 1, b"a")
    await other.hset(ValkeyLogStore.keys(project)[1], "g", "another")
    tail = await Asked(logs.log(server)).opened(project)
    assert (tail.epoch != "e1", payloads_of(tail)) == (True, [b"a"])
    assert (await Asked(logs.log(server)).opened(project)).epoch == tail.epoch


async def test_a_log_without_its_stream_has_nothing_to_read(server: Valkey, logs: Logs, other: Redis) -> None:
    """As an eviction leaves it."""
    project = new_project()
    await written(Asked(logs.log(server)), project, 1, b"a", b"b")
    await other.delete(ValkeyLogStore.keys(project)[0])
    tail = await Asked(logs.log(server)).opened(project)
    assert (tail.epoch, tail.head, tail.floor, list(tail.segments)) == ("e1", 2, 2, [])


# Logs that are empty


async def test_the_end_of_an_empty_log_expires_soon_and_lives_on_with_its_first_segment(
    server: Valkey, logs: Logs, other: Redis
) -> None:
    project, store = new_project(), Asked(logs.log(server))
    assert await store.begin(project, "e1") == "e1"
    end = ValkeyLogStore.keys(project)[1]
    assert 0 < await other.pttl(end) <= BEGUN_MS
    await other.pexpire(end, 1000)
    assert await store.begin(project, "e1") == "e1"
    assert await other.pttl(end) > 1000, "who asks again keeps it"
    await written(store, project, 1, b"a")
    assert await other.pttl(end) > BEGUN_MS
    assert await store.begin(project, "e1") == "e1"
    assert await other.pttl(end) > BEGUN_MS, "a log is no empty log"


async def test_an_empty_log_that_was_forgotten_gets_the_epoch_that_a_node_still_knows(
    server: Valkey, logs: Logs, other: Redis
) -> None:
    project, store = new_project(), Asked(logs.log(server))
    await store.begin(project, "e1")
    await other.delete(*ValkeyLogStore.keys(project))
    assert (await store.followed(project, 0)).epoch is None
    assert await store.begin(project, "e1") == "e1"
    tail = await Asked(logs.log(server)).opened(project)
    assert (tail.epoch, tail.head, tail.floor) == ("e1", 0, 0)


async def test_an_empty_log_of_another_generation_that_no_node_knows_begins_a_new_epoch(
    server: Valkey, logs: Logs, other: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been written, and the server may have lost that."""
    monkeypatch.setattr(history, "HEAL_S", 0.0)
    project = new_project()
    await Asked(logs.log(server)).begin(project, "e1")
    end = ValkeyLogStore.keys(project)[1]
    assert await other.hget(end, "g"), "it is known from the beginning on"
    await other.hset(end, "g", "another")
    tail = await Asked(logs.log(server)).opened(project)
    assert (tail.epoch != "e1", tail.head) == (True, 0)


async def test_a_log_that_is_lost_whole_is_written_again_although_another_node_began_it(
    server: Valkey, logs: Logs, other: Redis
) -> None:
    project, store, elsewhere = new_project(), Asked(logs.log(server)), Asked(logs.log(server))
    await written(store, project, 1, b"a", b"b")
    await other.delete(*ValkeyLogStore.keys(project))
    assert await elsewhere.begin(project, "e2") == "e2"
    assert (await store.followed(project, 2)).epoch == "e1"
    tail = await elsewhere.opened(project)
    assert (tail.epoch, payloads_of(tail)) == ("e1", [b"a", b"b"])
