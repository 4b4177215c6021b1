"""What a client hears while the Valkey server that has the logs refuses to work, and that nothing of it remains."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import psutil
import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from demo.resources import create_resources
from demo.testing import Emulator
from tests.support.gateway import Gateway, running_gateway
from tests.support.links import Client, Message, Open, new_project
from tests.support.valkeys import Valkey, running_valkey, tell

pytestmark = pytest.mark.asyncio
Fault = Callable[[Redis, Valkey], AbstractAsyncContextManager[None]]


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server


@pytest.fixture(scope="module")
def node(emulator_process: Emulator, valkey: Valkey) -> Iterator[Gateway]:
    shared = {"LOG_STORE": "valkey", "BACKPLANE": "valkey", "VALKEY_URL": f"redis://127.0.0.1:{valkey.port}"}
    with running_gateway({**create_resources(emulator_process.url), **shared}) as gateway:
        yield gateway


# Faults that the server tells


@asynccontextmanager
async def without_memory(server: Redis, _valkey: Valkey) -> AsyncIterator[None]:
    await server.config_set("maxmemory", 1)
    yield
    await server.config_set("maxmemory", 0)


@asynccontextmanager
async def without_rights(_server: Redis, valkey: Valkey) -> AsyncIterator[None]:
    """The user of the gateway may no longer run scripts. Its connections stay open."""
    await tell(valkey.port, "ACL", "SETUSER", "default", "-evalsha")
    yield
    await tell(valkey.port, "ACL", "SETUSER", "default", "+evalsha")


@asynccontextmanager
async def busy(server: Redis, valkey: Valkey) -> AsyncIterator[None]:
    """A script of somebody else does not end."""
    await server.config_set("busy-reply-threshold", 1)
    script = asyncio.create_task(tell(valkey.port, "EVAL", "while true do end", 0))
    while await is_answered(server):  # noqa: ASYNC110 - a server tells nobody that it is busy
        await asyncio.sleep(0)
    yield
    await server.script_kill()
    with pytest.raises(ResponseError, match="killed"):
        await script
    await server.config_set("busy-reply-threshold", 5000)


async def is_answered(server: Redis) -> bool:
    try:
        await server.ping()
    except ResponseError:
        return False
    return True


@asynccontextmanager
async def without_disk(server: Redis, valkey: Valkey) -> AsyncIterator[None]:
    """It may write no byte to a file, so it cannot save what it has, and takes nothing more."""
    assert valkey.process is not None
    limits = psutil.Process(valkey.process.pid)
    before = limits.rlimit(psutil.RLIMIT_FSIZE)
    await server.config_set("save", "3600 1000000")
    limits.rlimit(psutil.RLIMIT_FSIZE, (0, before[1]))
    await saved(server)
    yield
    limits.rlimit(psutil.RLIMIT_FSIZE, before)
    await saved(server)
    await server.config_set("save", "")


async def saved(server: Redis) -> None:
    """Wait for the end of an attempt to save."""
    await server.bgsave()
    while (await server.info("persistence"))["rdb_bgsave_in_progress"]:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("fault", "word"),
    [(without_memory, "OOM"), (without_rights, "NOPERM"), (busy, "BUSY"), (without_disk, "MISCONF")],
    ids=["memory", "rights", "busy", "disk"],
)
async def test_a_server_that_refuses_writes_is_told_at_once_and_a_retry_works_afterwards(
    fault: Fault, word: str, valkey: Valkey, node: Gateway, open_on: Open
) -> None:
    project = new_project()
    publisher, follower = await open_on(node), await open_on(node)
    await follower.subscribe(project)
    await publisher.publish(project, {"n": 1})
    async with Redis(port=valkey.port) as server, fault(server, valkey):
        refused = await publisher.request("publish", project_id=project, message={"n": 2}, key="once")
        assert (refused["type"], refused["code"], refused["retryable"]) == ("error", "store_unavailable", True)
        assert word not in refused["message"], "what the server said is for the operator"
        assert (await publisher.request("ping"))["type"] == "pong"
        await asyncio.to_thread(node.until, lambda: is_named(node, word))
    again = await until_confirmed(publisher, project, {"n": 2}, key="once")
    assert again["offset"] == 2
    assert [message["n"] for message in await follower.take(2)] == [1, 2]
    assert await follower.nothing_is_left()
    await asyncio.to_thread(node.wait_until_ready)


def is_named(node: Gateway, word: str) -> bool:
    """True if `/ready` gives this word of the server as a reason."""
    status, answer = node.ready()
    return status == 503 and any(word in reason["reason"] for reason in answer["reasons"])


async def until_confirmed(client: Client, project: str, message: Message, key: str) -> Message:
    """Publish again and again, as a client does that was told that a retry is useful."""
    while True:
        reply = await client.request("publish", project_id=project, message=message, key=key)
        if reply["type"] == "publish_confirmed":
            return reply
        assert (reply["code"], reply["retryable"]) == ("store_unavailable", True)


# Faults that a node cures by itself


async def flush_scripts(valkey: Valkey) -> None:
    await tell(valkey.port, "SCRIPT", "FLUSH")


async def end_connections(valkey: Valkey) -> None:
    """Of everybody, as a restart of a proxy in between, or an output buffer that is full, does."""
    for kind in ("normal", "pubsub"):
        await tell(valkey.port, "CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")


async def be_a_replica_for_a_moment(valkey: Valkey) -> None:
    await tell(valkey.port, "REPLICAOF", "127.0.0.1", 1)
    await tell(valkey.port, "REPLICAOF", "NO", "ONE")


@pytest.mark.parametrize("fault", [flush_scripts, end_connections, be_a_replica_for_a_moment])
async def test_a_fault_that_is_over_is_not_heard_of(
    fault: Callable[[Valkey], Awaitable[None]], valkey: Valkey, node: Gateway, open_on: Open
) -> None:
    project = new_project()
    publisher, follower = await open_on(node), await open_on(node)
    epoch = (await follower.subscribe(project))["epoch"]
    await publisher.publish(project, {"n": 1})
    await fault(valkey)
    confirmed = await publisher.publish(project, {"n": 2})
    assert (confirmed["epoch"], confirmed["offset"]) == (epoch, 2)
    assert [message["n"] for message in await follower.take(2)] == [1, 2]
    resumed = await open_on(node)
    assert (await resumed.subscribe(project, since={"epoch": epoch, "offset": 1}))["recovered"]
    assert [message["n"] for message in await resumed.take(1)] == [2]
