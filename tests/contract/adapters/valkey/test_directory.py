"""What only a directory in Valkey does: it forgets a node that ended without a word, and a server may be away."""

import asyncio

import pytest
from redis.asyncio import Redis

from tests.support.broken_aws import refused_port
from tests.support.clock import SteeredClock
from tests.support.patience import PATIENCE_S
from tests.support.ports_testing import Tasks
from tests.support.valkey_logs import running_logs
from tests.support.valkeys import Valkey
from websocket_handler.adapters.valkey.directory import LIFETIME_S, ValkeyDirectory
from websocket_handler.adapters.valkey.link import LinkOptions
from websocket_handler.ports.directory import USER_COUNT_S, DirectoryUnavailable, Listed, Present, Unanswered

pytestmark = pytest.mark.asyncio
ONE = Listed("c1", 1.0, "ada", ("p",))


async def test_what_a_node_wrote_is_forgotten_after_a_day(valkey: Valkey, clock: SteeredClock, tasks: Tasks) -> None:
    async with running_logs(clock, tasks) as logs, Redis(port=valkey.port) as other:
        directory = ValkeyDirectory(logs.link(valkey))
        await directory.write("n", [ONE], [], {"p": Present(1, (("c1", 1.0),))})
        for key in (directory.connections_key("n"), directory.project_key("p")):
            assert 0 < await other.ttl(key) <= LIFETIME_S
        await directory.write_users("n", {"ada": 1})
        assert 0 < await other.ttl(directory.user_key("ada", "n")) <= USER_COUNT_S


async def test_a_server_that_is_away_is_told(valkey: Valkey, clock: SteeredClock, tasks: Tasks) -> None:
    async with running_logs(clock, tasks) as logs:
        with refused_port() as port:
            away = Valkey(valkey.kind, port, valkey.folder, ())
            directory = ValkeyDirectory(logs.link(away, LinkOptions(timeout_s=0.01)))
            with pytest.raises(DirectoryUnavailable):
                await directory.write("n", [ONE], [], {})
            with pytest.raises(DirectoryUnavailable):
                await directory.leave("n", [])
            with pytest.raises(DirectoryUnavailable):
                await directory.write_users("n", {"ada": 1})
            answers: asyncio.Queue[object] = asyncio.Queue()
            directory.present("p", answers.put_nowait)
            directory.listed(["n"], answers.put_nowait)
            directory.user("ada", ["n"], answers.put_nowait)
            assert isinstance(answers.get_nowait(), Unanswered), "nobody who comes in waits for it"
            for _ in range(2):
                assert isinstance(await asyncio.wait_for(answers.get(), PATIENCE_S), Unanswered)
