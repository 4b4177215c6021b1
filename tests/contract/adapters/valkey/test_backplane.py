"""What two nodes hear of each other over a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from tests.support.clock import SteeredClock
from tests.support.patience import PATIENCE_S
from tests.support.ports_testing import Tasks, new_project
from tests.support.valkey_logs import PATIENT, Logs, running_logs
from tests.support.valkeys import Valkey, running_valkey
from websocket_handler.adapters.valkey import backplane as module
from websocket_handler.adapters.valkey.backplane import ValkeyBackplane
from websocket_handler.adapters.valkey.server import Server
from websocket_handler.ports.backoff import Backoff

pytestmark = pytest.mark.asyncio
Message = tuple[str, str, int]


@pytest_asyncio.fixture
async def logs(clock: SteeredClock, tasks: Tasks) -> AsyncIterator[Logs]:
    async with running_logs(clock, tasks) as logs:
        yield logs


class Node:
    """A backplane, and what it heard."""

    def __init__(self, server: Valkey, logs: Logs, name: str, **options: float) -> None:
        self.heard: asyncio.Queue[Message] = asyncio.Queue()
        backoff = Backoff(Random(1).random, 0.001, 0.02)
        self.backplane = ValkeyBackplane(
            logs.link(server),
            Server(server.url),
            backoff,
            name,
            options=PATIENT,
            **options,  # type: ignore[arg-type]
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Node"]:
        task = asyncio.create_task(self.backplane.run(lambda *message: self.heard.put_nowait(message)))
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def next(self) -> Message:
        return await asyncio.wait_for(self.heard.get(), PATIENCE_S)

    async def following(self, project_id: str) -> None:
        """Follow, and wait until that has begun."""
        self.backplane.follow(project_id)
        assert await self.next() == (project_id, "", 0)


async def test_a_node_hears_of_the_others_and_not_of_itself(valkey: Valkey, logs: Logs) -> None:
    project = new_project()
    async with Node(valkey, logs, "a").running() as one, Node(valkey, logs, "b").running() as two:
        await one.following(project)
        await two.following(project)
        one.backplane.announce(project, "e", 7)
        assert await two.next() == (project, "e", 7)
        two.backplane.announce(project, "e", 8)
        assert await one.next() == (project, "e", 8)


async def test_what_is_no_longer_followed_is_not_heard_of(valkey: Valkey, logs: Logs) -> None:
    left, kept = new_project(), new_project()
    async with Node(valkey, logs, "a").running() as one, Node(valkey, logs, "b").running() as two:
        await two.following(left)
        await two.following(kept)
        two.backplane.unfollow(left)
        two.backplane.follow(kept)  # once more, which changes nothing
        one.backplane.announce(left, "e", 1)
        one.backplane.announce(kept, "e", 2)
        assert await two.next() == (kept, "e", 2)


async def test_a_new_connection_hears_of_everything_that_is_followed(logs: Logs) -> None:
    projects = {new_project() for _ in range(module.SUBSCRIBE_MAX + 1)}
    with running_valkey() as server:
        async with Node(server, logs, "a").running() as node:
            for project in projects:
                node.backplane.follow(project)
            assert {(await node.next())[0] for _ in projects} == projects
            server.stop()
            server.start()
            assert {(await node.next())[0] for _ in projects} == projects
            assert node.backplane.failure() is None


async def test_as_many_projects_as_allowed_and_one_more(valkey: Valkey, logs: Logs) -> None:
    node = Node(valkey, logs, "a", projects_max=2)
    for project in ("a", "b"):
        node.backplane.follow(project)
    assert node.backplane.followed == ["a", "b"]
    node.backplane.follow("c")
    assert node.backplane.followed == ["b", "c"]


async def test_a_connection_that_hears_nothing_is_made_anew(
    valkey: Valkey, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own message does not come back: as after a failover that left it at a server that tells nobody."""
    monkeypatch.setattr(module, "PROBE_TIMEOUT_S", 0.05)
    project = new_project()
    async with Node(valkey, logs, "deaf", silent_s=0.01).running() as node, Redis(port=valkey.port) as other:
        await node.following(project)
        identity = "ws:node:{deaf}"
        assert identity.encode() in await other.execute_command("PUBSUB", "SHARDCHANNELS", "ws:node:*")  # type: ignore[no-untyped-call]
        node.backplane._node_id = "elsewhere"
        assert await node.next() == (project, "", 0)


async def test_a_node_does_not_go_on_publishing_at_a_replica(valkey: Valkey, logs: Logs) -> None:
    """What it says there reaches nobody, and it hears the others all the same."""
    project = new_project()
    async with Node(valkey, logs, "a", silent_s=0.01).running() as node, Redis(port=valkey.port) as other:
        await node.following(project)
        await other.slaveof("127.0.0.1", 1)
        try:
            async with asyncio.timeout(PATIENCE_S):
                while "is a replica" not in (node.backplane._publisher.fault or ""):  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0)
        finally:
            await other.slaveof()


async def test_a_user_who_may_not_subscribe_is_told(valkey: Valkey, logs: Logs) -> None:
    async with Redis(port=valkey.port) as other:
        await other.acl_setuser(
            "default", enabled=True, nopass=True, reset_channels=True, keys=["*"], categories=["+@all"]
        )
        try:
            async with Node(valkey, logs, "a").running() as node, asyncio.timeout(PATIENCE_S):
                while "NOPERM" not in (node.backplane.failure() or ""):  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0)
        finally:
            await other.acl_setuser(
                "default", enabled=True, nopass=True, channels=["*"], keys=["*"], categories=["+@all"]
            )
