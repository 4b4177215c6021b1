"""A node that cannot reach Valkey for a while: it says so, and when it is back, its clients have everything once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from demo.resources import create_resources
from demo.testing import Emulator
from tests.support.fault_proxy import FaultProxy, Mode
from tests.support.gateway import off_loop, running_gateway
from tests.support.links import Client, Open, new_project
from tests.support.peers import http
from tests.support.valkeys import Valkey, running_valkey

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server


async def offsets(client: Client, count: int) -> list[int]:
    return [message["offset"] for message in await client.take(count)]


@pytest.mark.parametrize(
    ("log_store", "mode"),
    [("valkey", Mode.RESET), ("valkey", Mode.STALL), ("dynamodb", Mode.STALL)],
    ids=["valkey reset", "valkey silent", "dynamodb silent"],
)
async def test_a_node_that_is_cut_off_loses_doubles_and_promises_nothing(
    log_store: str, mode: Mode, emulator_process: Emulator, valkey: Valkey, open_on: Open
) -> None:
    shared = {**create_resources(emulator_process.url), "LOG_STORE": log_store, "BACKPLANE": "valkey"}
    async with (
        FaultProxy(f"http://127.0.0.1:{valkey.port}") as proxy,
        off_loop(running_gateway(shared, VALKEY_URL=f"redis://127.0.0.1:{valkey.port}")) as near,
        off_loop(running_gateway(shared, VALKEY_URL=f"redis://127.0.0.1:{proxy.port}")) as far,
    ):
        project, empty = new_project(), new_project()
        here, there, follower = await open_on(near), await open_on(far), await open_on(far)
        await follower.subscribe(project)
        epoch = (await follower.subscribe(empty))["epoch"]
        first = await here.publish(project, {"n": 1})
        assert await offsets(follower, 1) == [1]

        proxy.set(mode)
        confirmed = [await here.publish(project, {"n": number}) for number in (2, 3)]
        waiting = asyncio.create_task(there.publish(project, {"n": 4}, key="once"))
        answer = await asyncio.to_thread(http, near.port, "POST", "/api/v1/broadcast", b'{"type":"notice"}')
        assert answer.status == 200
        if log_store == "valkey":
            await asyncio.to_thread(far.until, lambda: far.ready()[0] == 503)
            assert "valkey" in [reason["dependency"] for reason in far.ready()[1]["reasons"]]
        else:  # the logs are elsewhere, and are read and written all the same
            assert (await waiting)["offset"] == 4
        news = asyncio.create_task(follower.take(4))
        if log_store == "dynamodb":
            await news
        proxy.set(Mode.PASS)

        assert (await waiting)["offset"] == 4
        assert (await there.publish(project, {"n": 4}, key="once"))["offset"] == 4, "it is there once"
        assert {"type": "notice"} in await news
        assert [message["offset"] for message in await news if "offset" in message] == [2, 3, 4]
        assert await there.next() == {"type": "notice"}

        position = {"epoch": first["epoch"], "offset": 1}
        assert [reply["epoch"] for reply in confirmed] == [first["epoch"]] * 2
        resumed = await open_on(far)
        assert (await resumed.subscribe(project, since=position))["recovered"]
        assert await offsets(resumed, 3) == [2, 3, 4]
        assert (await here.publish(empty, {"n": 1}))["epoch"] == epoch
        assert await offsets(follower, 1) == [1]
        for client in (there, follower, resumed):
            assert await client.nothing_is_left()
