"""Appends that count only once a replica has them."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from tests.support.clock import SteeredClock
from tests.support.patience import PATIENCE_S
from tests.support.ports_testing import Asked, Tasks, new_project, payloads_of
from tests.support.ports_testing import segment as made
from tests.support.valkey_logs import Logs, running_logs
from tests.support.valkeys import Valkey, running_valkey
from websocket_handler.adapters.valkey.log_store import ValkeyLogOptions, ValkeyLogStore
from websocket_handler.ports.log_store import Committed, Unavailable

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def pair(valkey: Valkey) -> Iterator[tuple[Valkey, Valkey]]:
    """A primary and its replica."""
    with running_valkey("valkey-9.1", "--replicaof", f"127.0.0.1 {valkey.port}") as replica:
        yield valkey, replica


@pytest_asyncio.fixture
async def logs(clock: SteeredClock, tasks: Tasks) -> AsyncIterator[Logs]:
    async with running_logs(clock, tasks) as logs:
        yield logs


async def replicated(server: Valkey, logs: Logs, wait_ms: int) -> Asked:
    """The log store of a node that knows that there is a replica."""
    store = logs.log(server, ValkeyLogOptions(wait_ms=wait_ms))
    async with asyncio.timeout(PATIENCE_S):
        while not store.is_replicated:
            await store.check()
    return Asked(store)


async def test_a_committed_segment_is_at_the_replica(pair: tuple[Valkey, Valkey], logs: Logs) -> None:
    primary, replica = pair
    project, store = new_project(), await replicated(primary, logs, wait_ms=60_000)
    assert isinstance(await store.append(project, made(1, [b"a"])), Committed)
    async with Redis(port=replica.port) as other:
        assert await other.hget(ValkeyLogStore.keys(project)[1], "h") == b"1"
    assert payloads_of(await store.opened(project)) == [b"a"]


async def test_what_no_replica_has_is_neither_committed_nor_read(pair: tuple[Valkey, Valkey], logs: Logs) -> None:
    primary, replica = pair
    project, store = new_project(), await replicated(primary, logs, wait_ms=20)
    written = made(1, [b"a"])
    assert replica.process is not None
    os.kill(replica.process.pid, signal.SIGSTOP)
    try:
        answers = [await store.append(project, written), await store.open(project)]
    finally:
        os.kill(replica.process.pid, signal.SIGCONT)
    for answer in answers:
        assert isinstance(answer, Unavailable)
        assert answer.reason == "no replica has confirmed the write"
    patient = await replicated(primary, logs, wait_ms=60_000)
    assert isinstance(await patient.append(project, written), Committed)
    assert payloads_of(await patient.opened(project)) == [b"a"]


async def test_without_a_replica_the_primary_decides(logs: Logs) -> None:
    with running_valkey() as alone:
        store = Asked(logs.log(alone))
        assert isinstance(await store.append(new_project(), made(1, [b"a"])), Committed)
        strict = Asked(logs.log(alone, ValkeyLogOptions(commit="replica", wait_ms=1)))
        assert isinstance(await strict.append(new_project(), made(1, [b"a"])), Unavailable)
