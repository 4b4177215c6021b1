"""Two nodes on one Valkey behave as one: publish, subscribe, history and resume, with the log there or in the table."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.gateway import Gateway, running_gateway
from tests.support.links import Client, Open, new_project
from tests.support.valkeys import Valkey, running_valkey

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with running_valkey("valkey-9.1", "--appendonly", "yes", "--appendfsync", "always") as server:
        yield server


@pytest.fixture(params=["valkey", "dynamodb"])
def nodes(
    request: pytest.FixtureRequest, settings: dict[str, str], valkey: Valkey
) -> Iterator[tuple[Gateway, Gateway]]:
    """Two processes that share logs and a backplane."""
    more = {"LOG_STORE": request.param, "BACKPLANE": "valkey", "VALKEY_URL": f"redis://127.0.0.1:{valkey.port}"}
    with running_gateway(settings, **more, NODE_ID="a") as one, running_gateway(settings, **more, NODE_ID="b") as two:
        yield one, two


async def offsets(client: Client, count: int) -> list[int]:
    return [message["offset"] for message in await client.take(count)]


async def publish_ten(client: Client, project: str) -> None:
    for number in range(10):
        await client.publish(project, {"n": number})


async def test_two_nodes_are_one(nodes: tuple[Gateway, Gateway], open_on: Open, valkey: Valkey) -> None:
    project = new_project()
    one, two = [await open_on(node) for node in nodes]
    follower = await open_on(nodes[1])
    confirmed = [await one.publish(project, {"n": 0})]
    assert (await follower.subscribe(project))["offset"] == 1, "it is the same log"

    confirmed += [await one.publish(project, {"n": number}) for number in (1, 2)]
    assert [reply["offset"] for reply in confirmed] == [1, 2, 3]
    assert await offsets(follower, 2) == [2, 3]

    # both write at once: no publication is lost, doubled or out of order
    await asyncio.gather(publish_ten(one, project), publish_ten(two, project))
    assert await offsets(follower, 20) == list(range(4, 24))

    # what one node confirmed, the other one tells
    history = await two.request("history", project_id=project, after=20, limit=10)
    assert (history["recovered"], [message["offset"] for message in history["messages"]]) == (True, [21, 22, 23])
    resumed = await open_on(nodes[0])
    position = {"epoch": confirmed[0]["epoch"], "offset": 21}
    assert (await resumed.subscribe(project, since=position))["recovered"]
    assert await offsets(resumed, 2) == [22, 23]


async def test_a_server_that_comes_back_loses_nothing(
    nodes: tuple[Gateway, Gateway], open_on: Open, valkey: Valkey
) -> None:
    project = new_project()
    one, follower = await open_on(nodes[0]), await open_on(nodes[1])
    await one.publish(project, {"n": 1})
    await follower.subscribe(project)
    await asyncio.to_thread(valkey.stop)
    await asyncio.to_thread(valkey.start)
    reply: dict[str, Any] = await one.publish(project, {"n": 2})
    assert reply["offset"] == 2, json.dumps(reply)
    assert await offsets(follower, 1) == [2]
