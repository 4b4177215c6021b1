"""What the Valkey log store promises beyond the port: it says why a server cannot be used, and it heals."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from tests.support.clock import SteeredClock
from tests.support.ports_testing import Asked, Tasks, new_project, payloads_of
from tests.support.ports_testing import segment as made
from tests.support.valkey_logs import Logs, running_logs
from tests.support.valkeys import Valkey, running_valkey
from websocket_handler.adapters.valkey import log_store
from websocket_handler.adapters.valkey.link import LinkOptions
from websocket_handler.ports.log_store import Committed, Unavailable

pytestmark = pytest.mark.asyncio
QUICK = LinkOptions(timeout_s=0.5, silent_s=0.5)


@pytest_asyncio.fixture
async def logs(clock: SteeredClock, tasks: Tasks) -> AsyncIterator[Logs]:
    async with running_logs(clock, tasks) as logs:
        yield logs


async def test_a_full_server_takes_no_segment_and_says_so_until_it_has_room(valkey: Valkey, logs: Logs) -> None:
    project, store = new_project(), Asked(logs.log(valkey))
    assert isinstance(await store.append(project, made(1, [b"a"])), Committed)
    async with Redis(port=valkey.port) as other:
        await other.config_set("maxmemory", "1")
        answer = await store.append(project, made(2, [b"b"]))
        assert isinstance(answer, Unavailable)
        assert answer.reason.startswith("OOM")
        await store.store.check()
        assert (store.store.failure() or "").startswith("OOM")
        await other.config_set("maxmemory", "0")
    await store.store.check()
    assert store.store.failure() is None
    assert isinstance(await store.append(project, made(2, [b"b"])), Committed)


async def test_a_server_that_is_away_is_an_outage_with_an_end(logs: Logs) -> None:
    with running_valkey("valkey-9.1", "--appendonly", "yes", "--appendfsync", "always") as server:
        project, store, first = new_project(), Asked(logs.log(server, links=QUICK)), made(1, [b"a"])
        while not isinstance(await store.append(project, first), Committed):
            await store.open(project)  # a busy machine takes longer than this store waits
        server.stop()
        assert isinstance(await store.append(project, made(2, [b"b"])), Unavailable)
        assert isinstance(await store.read(project, 1), Unavailable)
        await store.store.check()
        assert str(server.port) in (store.store.failure() or "")
        server.start()
        while store.store.failure() is not None:
            await store.store.check()
        while isinstance(tail := await store.open(project), Unavailable):
            assert tail.reason
        assert tail.epoch == "e1"


async def test_scripts_that_the_server_forgot_are_loaded_again(valkey: Valkey, logs: Logs) -> None:
    project, store = new_project(), Asked(logs.log(valkey))
    await store.append(project, made(1, [b"a"]))
    async with Redis(port=valkey.port) as other:
        await other.script_flush()
    assert isinstance(await store.append(project, made(2, [b"b"])), Committed)
    assert payloads_of(await store.opened(project)) == [b"a", b"b"]


async def test_nothing_is_read_for_nobody(valkey: Valkey, logs: Logs) -> None:
    store = logs.log(valkey)
    answers: list[object] = []
    store.open("p", answers.append, lambda: False)
    store.read("p", 0, answers.append, lambda: None)
    assert answers == [log_store.UNWANTED, log_store.UNWANTED]


async def test_an_open_reads_many_pages_and_no_more_than_allowed(
    valkey: Valkey, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_store, "READ_BYTES_MAX", 2000)
    project, store = new_project(), Asked(logs.log(valkey))
    for first in range(1, 11):
        await store.append(project, made(first, [b"%d" % first * 500]))
    fresh = Asked(logs.log(valkey))
    assert len(payloads_of(await fresh.opened(project))) == 10
    monkeypatch.setattr(log_store, "OPEN_BYTES_MAX", 3000)
    tail = await fresh.opened(project)
    assert (tail.floor, tail.segments[-1].last) == (0, 10)
    assert sum(map(len, payloads_of(tail))) <= 3000
