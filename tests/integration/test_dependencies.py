"""DynamoDB missing, failing and coming back; and what the gateway keeps in it."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Any

import pytest

from demo.resources import TABLE_NAME, create_resources
from demo.testing import Emulator
from tests.support.gateway import Gateway, off_loop, running_gateway, started_gateway
from tests.support.links import Open, new_project

pytestmark = pytest.mark.asyncio

DAY_S = 86_400


async def wait_until_not_ready(gateway: Gateway) -> dict[str, str]:
    """What `/ready` gives as reasons, by dependency, as soon as there are any."""
    await asyncio.to_thread(gateway.until, lambda: gateway.ready()[0] == 503)
    _, verdict = await asyncio.to_thread(gateway.ready)
    assert verdict["status"] == "not_ready"
    return {reason["dependency"]: reason["reason"] for reason in verdict["reasons"]}


async def test_a_table_that_is_missing_at_the_start_is_reported_and_heals(
    emulator: Emulator, settings: dict[str, str], open_on: Open
) -> None:
    """The node starts, is alive, says why it is not ready, and needs no restart."""
    with closing(emulator.client("dynamodb")) as dynamodb:
        dynamodb.delete_table(TableName=TABLE_NAME)
    async with off_loop(started_gateway(settings)) as gateway:
        await wait_until_not_ready(gateway)
        assert gateway.get("/health") == (200, b"OK")
        client, project_id = await open_on(gateway), new_project()
        refused = await client.request("publish", project_id=project_id, message={})
        pong = await client.request("ping")
        gone = "ResourceNotFoundException"
        await asyncio.to_thread(gateway.until, lambda: gone in str(gateway.ready()[1]))  # a busy machine looks late
        reasons = await wait_until_not_ready(gateway)
        create_resources(emulator.url)
        await asyncio.to_thread(gateway.wait_until_ready)
        confirmed = await client.publish(project_id, {})

    assert gone in reasons["dynamodb"]
    assert (refused["code"], refused["retryable"]) == ("store_unavailable", True)
    assert pong["type"] == "pong"
    assert confirmed["offset"] == 1


@pytest.mark.parametrize("mode", ["throttle", "stall"])
async def test_a_failing_table_is_told_and_heals(
    emulator: Emulator, settings: dict[str, str], open_on: Open, mode: str
) -> None:
    """Publishing gets `store_unavailable`, forwarding goes on; the same key afterwards publishes exactly once."""
    project_id = new_project()
    async with off_loop(running_gateway(settings)) as gateway:
        client = await open_on(gateway, project_id)
        await client.next()
        await client.publish(project_id, {"n": 1})
        emulator.add_fault("dynamodb", mode, stall_s=60)
        failed = await client.request("publish", project_id=project_id, message={"n": 2}, key="two")
        forwarded = await client.request("forward", type="pm", data={})
        reasons = await wait_until_not_ready(gateway)
        emulator.clear_faults()
        await asyncio.to_thread(gateway.wait_until_ready)
        again = await client.publish(project_id, {"n": 2}, key="two")
        third = await client.publish(project_id, {"n": 3})
        arrived = await client.take(3)
        assert await client.nothing_is_left()

    assert (failed["code"], failed["retryable"]) == ("store_unavailable", True)
    assert forwarded["type"] == "forward_confirmed"
    assert "dynamodb" in reasons
    assert (again["offset"], third["offset"]) == (2, 3)
    assert [(m["offset"], m["n"]) for m in arrived] == [(1, 1), (2, 2), (3, 3)]


def items_of(emulator: Emulator, prefix: str) -> list[dict[str, Any]]:
    """The table's items whose partition begins with `prefix`."""
    with closing(emulator.client("dynamodb")) as dynamodb:
        pages = dynamodb.get_paginator("scan").paginate(TableName=TABLE_NAME, ConsistentRead=True)
        return [item for page in pages for item in page["Items"] if item["PK"]["S"].startswith(prefix)]


async def test_connections_are_recorded_and_forgotten(
    emulator: Emulator, settings: dict[str, str], open_on: Open
) -> None:
    """Other services can see who follows what; every item has an expiry, and ends with its connection."""
    project_id = new_project()
    async with off_loop(running_gateway(settings, NODE_ID="the-node")) as gateway:
        client = await open_on(gateway, project_id)
        await client.next()
        connection = f"WS#CONN#{client.greeting['connection_id']}"
        await asyncio.to_thread(gateway.until, lambda: len(items_of(emulator, connection)) == 2)
        mine = {item["SK"]["S"]: item for item in items_of(emulator, connection)}
        followers = items_of(emulator, f"WS#PROJECT#{project_id}")
        await client.request("unsubscribe", project_id=project_id)
        await asyncio.to_thread(gateway.until, lambda: len(items_of(emulator, connection)) == 1)
        assert items_of(emulator, f"WS#PROJECT#{project_id}") == []
        await client.close()
        await asyncio.to_thread(gateway.until, lambda: not items_of(emulator, connection))

    assert set(mine) == {"META", f"SUB#{project_id}"}
    assert mine["META"]["node_id"] == {"S": "the-node"}
    assert [item["connection_id"]["S"] for item in followers] == [client.greeting["connection_id"]]
    ttls = [int(item["ttl"]["N"]) for item in [*mine.values(), *followers]]
    assert max(ttls) - min(ttls) < DAY_S


async def test_a_clean_stop_leaves_no_connection_records(
    emulator: Emulator, settings: dict[str, str], open_on: Open
) -> None:
    """What a node wrote about its connections goes with it."""
    async with off_loop(running_gateway(settings)) as gateway:
        clients = [await open_on(gateway, f"stop-{n}") for n in range(5)]
        ids = {f"WS#CONN#{client.greeting['connection_id']}" for client in clients}
        await asyncio.to_thread(gateway.until, lambda: len(items_of(emulator, "WS#CONN#")) >= 10)
        gateway.ask_to_stop()
        await asyncio.gather(*(client.closed() for client in clients))
        assert await asyncio.to_thread(gateway.wait_for_exit) == 0

    assert ids.isdisjoint(item["PK"]["S"] for item in items_of(emulator, "WS#CONN#"))


async def test_the_logs_items_carry_an_expiry(emulator: Emulator, settings: dict[str, str], open_on: Open) -> None:
    """Everything of ours is under `WS#` and goes away by itself."""
    project_id = new_project()
    async with off_loop(running_gateway(settings)) as gateway:
        client = await open_on(gateway)
        await client.publish(project_id, {"n": 1})

    segments = items_of(emulator, f"WS#LOG#{project_id}")
    assert segments
    assert all("ttl" in item for item in segments if item["SK"]["S"].isdigit())
    assert all(item["PK"]["S"].startswith("WS#") for item in items_of(emulator, ""))
