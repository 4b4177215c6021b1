"""Queues and tables that are not there, or not of the form that the gateway needs: told by name, and nobody waits."""

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

QA = "SQS_QUEUE_URL_QA"


def told(gateway: Gateway, setting: str) -> dict[str, Any]:
    """The log line about what a setting names, once it is there."""
    return gateway.wait_for_record("resource.unusable", setting=setting)


def about_the_table(gateway: Gateway) -> tuple[int, str]:
    """The status of `/ready`, and its first reason, once the table was looked at."""

    def reason() -> str:
        return str(gateway.ready()[1]["reasons"][0]["reason"])

    gateway.until(lambda: not reason().startswith("not looked up yet"))
    return gateway.ready()[0], reason()


async def test_one_agents_queue_is_missing_from_the_start(
    emulator: Emulator, settings: dict[str, str], open_on: Open
) -> None:
    """It is told by name, work for this agent is rejected at once, and the others' work goes on."""
    gone = settings[QA] + "-gone"
    async with off_loop(running_gateway({**settings, QA: gone})) as gateway:
        record = await asyncio.to_thread(told, gateway, QA)
        client = await open_on(gateway)
        attempts = emulator.request_count("sqs", "SendMessageBatch")
        rejected = await client.request("forward", type="qa", data={})
        assert emulator.request_count("sqs", "SendMessageBatch") - attempts == 1
        confirmed = await client.request("forward", type="dev", data={})
        status, verdict = await asyncio.to_thread(gateway.ready)
        _, metrics = gateway.get("/metrics")

    assert (record["resource"], record["code"]) == (gone, "AWS.SimpleQueueService.NonExistentQueue")
    assert record["level"] == "error"
    assert (rejected["code"], rejected["retryable"]) == ("forward_rejected", False)
    assert "an operator has to act" in rejected["message"]
    assert gone not in rejected["message"]
    assert confirmed["type"] == "forward_confirmed"
    assert (status, verdict["status"]) == (200, "ready")
    assert [flaw["dependency"] for flaw in verdict["flaws"]] == ["sqs"]
    assert gone in verdict["flaws"][0]["reason"]
    assert b"websocket_handler_resources_unusable 1.0" in metrics


async def test_a_queue_that_is_deleted_later_is_told_and_heals(
    emulator: Emulator, settings: dict[str, str], open_on: Open
) -> None:
    async with off_loop(running_gateway(settings)) as gateway:
        client = await open_on(gateway)
        before = await client.request("forward", type="qa", data={})
        with closing(emulator.client("sqs")) as sqs:
            sqs.delete_queue(QueueUrl=settings[QA])
        rejected = await client.request("forward", type="qa", data={})
        record = await asyncio.to_thread(told, gateway, QA)
        create_resources(emulator.url)
        after = await client.request("forward", type="qa", data={})
        await asyncio.to_thread(gateway.wait_for_record, "resource.usable")
        _, verdict = await asyncio.to_thread(gateway.ready)

    assert [answer["type"] for answer in (before, after)] == ["forward_confirmed"] * 2
    assert rejected["code"] == "forward_rejected"
    assert record["resource"] == settings[QA]
    assert verdict == {"status": "ready", "reasons": []}


async def test_no_agent_can_be_reached(emulator: Emulator, settings: dict[str, str]) -> None:
    """Then the node is not ready, and becomes so when the queues are there."""
    with closing(emulator.client("sqs")) as sqs:
        for variable, url in settings.items():
            if variable.startswith("SQS_QUEUE_URL"):
                sqs.delete_queue(QueueUrl=url)
    async with off_loop(started_gateway(settings)) as gateway:
        for agent in ("PM", "DEV", "QA", "OPS"):
            await asyncio.to_thread(told, gateway, f"SQS_QUEUE_URL_{agent}")
        status, verdict = await asyncio.to_thread(gateway.ready)
        create_resources(emulator.url)
        await asyncio.to_thread(gateway.wait_until_ready)

    assert status == 503
    assert "NonExistentQueue" in next(r["reason"] for r in verdict["reasons"] if r["dependency"] == "sqs")


async def test_the_updates_queue_is_missing(emulator: Emulator, settings: dict[str, str]) -> None:
    """Agents' updates cannot come in: the node is not ready."""
    with closing(emulator.client("sqs")) as sqs:
        sqs.delete_queue(QueueUrl=settings["SQS_QUEUE_URL_UPDATES"])
    async with off_loop(started_gateway(settings)) as gateway:
        record = await asyncio.to_thread(told, gateway, "SQS_QUEUE_URL_UPDATES")
        status, verdict = await asyncio.to_thread(gateway.ready)
        create_resources(emulator.url)
        await asyncio.to_thread(gateway.wait_until_ready)

    assert record["resource"] == settings["SQS_QUEUE_URL_UPDATES"]
    assert status == 503
    assert [reason["dependency"] for reason in verdict["reasons"]] == ["sqs updates"]


async def test_the_table_has_other_keys(emulator: Emulator, settings: dict[str, str], open_on: Open) -> None:
    """It is told by name, and the node is not ready."""
    with closing(emulator.client("dynamodb")) as dynamodb:
        dynamodb.create_table(
            TableName="other-keys",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    async with off_loop(started_gateway({**settings, "DYNAMODB_TABLE_NAME": "other-keys"})) as gateway:
        record = await asyncio.to_thread(told, gateway, "DYNAMODB_TABLE_NAME")
        status, reason = await asyncio.to_thread(about_the_table, gateway)
        client = await open_on(gateway)
        refused = await client.request("publish", project_id=new_project(), message={})

    assert (record["resource"], record["code"]) == ("other-keys", "ValidationException")
    assert status == 503
    assert "DYNAMODB_TABLE_NAME=other-keys" in reason
    assert refused["code"] == "store_unavailable"


async def test_the_table_is_missing(emulator: Emulator, settings: dict[str, str]) -> None:
    """Its name is in the log and in `/ready`, not only that something was not found."""
    with closing(emulator.client("dynamodb")) as dynamodb:
        dynamodb.delete_table(TableName=TABLE_NAME)
    async with off_loop(started_gateway(settings)) as gateway:
        record = await asyncio.to_thread(told, gateway, "DYNAMODB_TABLE_NAME")
        _, reason = await asyncio.to_thread(about_the_table, gateway)
        create_resources(emulator.url)
        await asyncio.to_thread(gateway.wait_until_ready)

    assert (record["resource"], record["code"]) == (TABLE_NAME, "ResourceNotFoundException")
    assert f"DYNAMODB_TABLE_NAME={TABLE_NAME}" in reason


@pytest.mark.parametrize("service", ["sqs", "dynamodb"])
async def test_unknown_is_not_ready(emulator: Emulator, settings: dict[str, str], service: str) -> None:
    """A service that has not answered yet: 503 from the first answer on."""
    emulator.add_fault(service, "stall", stall_s=60)
    async with off_loop(started_gateway(settings)) as gateway:
        status, verdict = await asyncio.to_thread(gateway.ready)
        emulator.clear_faults()
        await asyncio.to_thread(gateway.wait_until_ready)

    assert status == 503
    reasons = {reason["dependency"]: reason["reason"] for reason in verdict["reasons"]}
    assert reasons[service].startswith("not looked up yet")
