"""A thousand forwards from fifty clients: each is confirmed and in its queue, whatever SQS does meanwhile."""

from __future__ import annotations

import asyncio
import json
import uuid
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

import pytest

from demo.resources import AGENTS, create_resources
from demo.testing import Emulator
from tests.support.gateway import Gateway, off_loop, running_gateway
from tests.support.links import Client, Open, new_project

pytestmark = pytest.mark.asyncio

CLIENTS: Final = 50
FORWARDS_EACH: Final = 20


@dataclass(frozen=True)
class Task:
    """What one client handed over."""

    agent: str
    message_id: str
    project_id: str | None
    data: dict[str, Any]
    connection_id: str


def tasks_of(client: Client, number: int) -> list[Task]:
    """Twenty tasks for all four agents, some without a project."""
    return [
        Task(
            AGENTS[(number + n) % 4],
            uuid.uuid4().hex,
            None if n % 5 == 0 else f"project-{number % 7}",
            {"client": number, "n": n, "text": f"Grüße 🚀 {n}\n"},
            client.greeting["connection_id"],
        )
        for n in range(FORWARDS_EACH)
    ]


async def hand_over(client: Client, tasks: list[Task]) -> dict[str, dict[str, Any]]:
    """Send all at once and collect the answers by message id."""
    for task in tasks:
        project = {} if task.project_id is None else {"project_id": task.project_id}
        await client.send(
            action="forward",
            type=task.agent,
            data=task.data,
            message_id=task.message_id,
            id=task.message_id,
            **project,
        )
    return {task.message_id: await client.reply_to(task.message_id) for task in tasks}


async def forward_all(clients: list[Client], tasks: list[list[Task]]) -> dict[str, dict[str, Any]]:
    """All clients at the same time; the answers by message id."""
    answers = await asyncio.gather(*map(hand_over, clients, tasks))
    return {message_id: answer for part in answers for message_id, answer in part.items()}


def queue_contents(emulator: Emulator, settings: dict[str, str], agent: str) -> list[dict[str, Any]]:
    """Everything in an agent's queue, which is empty then."""
    url = settings[f"SQS_QUEUE_URL_{agent.upper()}"]
    messages: list[dict[str, Any]] = []
    with closing(emulator.client("sqs")) as sqs:
        while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get(
            "Messages"
        ):
            messages += batch
            sqs.delete_message_batch(
                QueueUrl=url,
                Entries=[{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(batch)],
            )
    return messages


def check_queues(
    emulator: Emulator,
    settings: dict[str, str],
    tasks: list[Task],
    answers: dict[str, dict[str, Any]],
    body_format: str = "envelope",
) -> None:
    """Each task is once in its agent's queue, as its client meant it, under the receipt that the client got."""
    by_id = {task.message_id: task for task in tasks}
    for agent in AGENTS:
        messages = queue_contents(emulator, settings, agent)
        expected = {task.message_id for task in tasks if task.agent == agent}
        arrived = [message["MessageAttributes"]["MessageId"]["StringValue"] for message in messages]
        assert sorted(arrived) == sorted(expected)
        for message, message_id in zip(messages, arrived, strict=True):
            answer = answers[message_id]
            assert answer["type"] == "forward_confirmed"
            assert (answer["agent"], answer["receipt"]) == (agent, message["MessageId"])
            check_message(message, by_id[message_id], body_format)


def check_message(message: dict[str, Any], task: Task, body_format: str) -> None:
    """Body and attributes of one queue message."""
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    project = {} if task.project_id is None else {"ProjectId": task.project_id}
    assert attributes == {
        "MessageType": task.agent,
        "MessageId": task.message_id,
        "ConnectionId": task.connection_id,
        "Timestamp": attributes["Timestamp"],
        **project,
    }
    envelope = {
        "type": task.agent,
        "project_id": task.project_id,
        "data": task.data,
        "message_id": task.message_id,
        "timestamp": attributes["Timestamp"],
        "client": {"connection_id": task.connection_id},
    }
    assert json.loads(message["Body"]) == (envelope if body_format == "envelope" else task.data)


@pytest.mark.parametrize("body_format", ["envelope", "data"])
async def test_a_thousand_forwards_reach_their_queues(
    emulator: Emulator, settings: dict[str, str], open_on: Open, body_format: str
) -> None:
    """A thousand confirmations, a thousand messages with the right attributes and bodies, in few requests."""
    before = emulator.request_count("sqs", "SendMessageBatch")
    async with off_loop(running_gateway(settings, FORWARD_BODY=body_format)) as gateway:
        clients = [await open_on(gateway) for _ in range(CLIENTS)]
        tasks = [tasks_of(client, number) for number, client in enumerate(clients)]
        answers = await forward_all(clients, tasks)

    assert len(answers) == CLIENTS * FORWARDS_EACH
    check_queues(emulator, settings, [task for part in tasks for task in part], answers, body_format)
    assert emulator.request_count("sqs", "SendMessageBatch") - before < CLIENTS * FORWARDS_EACH / 2


async def test_entries_that_fail_are_sent_again(emulator: Emulator, settings: dict[str, str], open_on: Open) -> None:
    """SQS takes some entries of many batches and refuses the others: nobody notices, nothing is doubled."""
    emulator.add_fault("sqs", "partial", probability=0.5, seed=7)
    async with off_loop(running_gateway(settings)) as gateway:
        clients = [await open_on(gateway) for _ in range(CLIENTS)]
        tasks = [tasks_of(client, number) for number, client in enumerate(clients)]
        answers = await forward_all(clients, tasks)
        _, metrics = gateway.get("/metrics")

    check_queues(emulator, settings, [task for part in tasks for task in part], answers)
    assert b"websocket_handler_forward_retries_total 0.0" not in metrics


@pytest.mark.parametrize("mode", ["error", "stall"])
async def test_queues_that_are_down_for_seconds_lose_nothing(
    emulator: Emulator, settings: dict[str, str], open_on: Open, mode: str
) -> None:
    """`/ready` says so, other work goes on, and after it every forward is confirmed once."""
    async with off_loop(running_gateway(settings)) as gateway:
        clients = [await open_on(gateway) for _ in range(CLIENTS)]
        tasks = [tasks_of(client, number) for number, client in enumerate(clients)]
        bystander, project_id = await open_on(gateway), new_project()
        await bystander.subscribe(project_id)
        emulator.add_fault("sqs", mode, operation="SendMessageBatch", stall_s=60)
        attempts = emulator.request_count("sqs", "SendMessageBatch")
        forwarding = asyncio.create_task(forward_all(clients, tasks))

        def has_lasted() -> bool:
            return gateway.ready()[0] == 503 and emulator.request_count("sqs", "SendMessageBatch") - attempts >= 8

        await asyncio.to_thread(gateway.until, has_lasted)
        _, verdict = await asyncio.to_thread(gateway.ready)
        await bystander.publish(project_id, {"n": 1})
        assert (await bystander.next())["n"] == 1
        assert not forwarding.done()
        emulator.clear_faults()
        answers = await forwarding
        await asyncio.to_thread(gateway.wait_until_ready)

    assert [reason["dependency"] for reason in verdict["reasons"]] == ["sqs"]
    check_confirmed_at_least_once(emulator, settings, [task for part in tasks for task in part], answers, mode)


def check_confirmed_at_least_once(
    emulator: Emulator, settings: dict[str, str], tasks: list[Task], answers: dict[str, dict[str, Any]], mode: str
) -> None:
    """What SQS refused was not stored, so each task is there once. A stalled request may have been carried out
    after the gateway gave it up: then a standard queue holds the task twice, under one message id."""
    if mode != "stall":
        check_queues(emulator, settings, tasks, answers)
        return
    assert all(answer["type"] == "forward_confirmed" for answer in answers.values())
    receipts = {message["MessageId"] for agent in AGENTS for message in queue_contents(emulator, settings, agent)}
    assert {answer["receipt"] for answer in answers.values()} <= receipts


async def test_a_forward_that_fails_for_too_long_is_told(
    emulator: Emulator, settings: dict[str, str], open_on: Open
) -> None:
    """`forward_failed`, retryable; the same message id sent again is one task."""
    emulator.add_fault("sqs", "error", operation="SendMessageBatch")
    async with off_loop(running_gateway(settings, FORWARD_TIMEOUT_S="1")) as gateway:
        client = await open_on(gateway)
        command = {"type": "qa", "data": {"n": 1}, "message_id": "again"}
        failed = await client.request("forward", **command)
        emulator.clear_faults()
        while (confirmed := await client.request("forward", **command))["type"] == "error":
            assert confirmed["retryable"]

    assert (failed["code"], failed["retryable"], failed["action"]) == ("forward_failed", True, "forward")
    (message,) = queue_contents(emulator, settings, "qa")
    assert confirmed["receipt"] == message["MessageId"]


async def test_too_much_waiting_work_is_refused(emulator: Emulator, settings: dict[str, str], open_on: Open) -> None:
    """`overloaded` for what one connection has in flight beyond its limit; the rest is confirmed in the end."""
    emulator.add_fault("sqs", "error", operation="SendMessageBatch")
    async with off_loop(running_gateway(settings, COMMANDS_PER_SECOND="0")) as gateway:
        client = await open_on(gateway)
        ids = [f"task-{n}" for n in range(300)]
        for message_id in ids:
            await client.send(action="forward", type="ops", data=None, message_id=message_id, id=message_id)
        refused = [await client.next() for _ in range(44)]
        emulator.clear_faults()
        left = [message_id for message_id in ids if message_id not in {error["id"] for error in refused}]
        confirmed = [await client.reply_to(message_id) for message_id in left]

    assert {(error["code"], error["retryable"]) for error in refused} == {("overloaded", True)}
    assert {reply["type"] for reply in confirmed} == {"forward_confirmed"}
    assert len(queue_contents(emulator, settings, "ops")) == len(confirmed) == 256


async def test_fifo_queues_keep_order_and_drop_doubles(emulator: Emulator, open_on: Open) -> None:
    """The same message id to another gateway process is still one task; each project's tasks are in order."""
    settings = create_resources(emulator.url, fifo=True)
    sent = [(f"project-{n % 3}", f"fifo-{n}") for n in range(60)]
    for _ in range(2):
        async with off_loop(running_gateway(settings)) as gateway:
            await _forward_in_order(gateway, open_on, sent)

    messages = queue_contents(emulator, settings, "dev")
    arrived = [(m["MessageAttributes"]["ProjectId"]["StringValue"], json.loads(m["Body"])["data"]) for m in messages]
    assert len(arrived) == len(sent)
    for project_id in {project_id for project_id, _ in sent}:
        in_order = [text for project, text in sent if project == project_id]
        assert [text for project, text in arrived if project == project_id] == in_order


async def _forward_in_order(gateway: Gateway, open_on: Open, sent: list[tuple[str, str]]) -> None:
    client = await open_on(gateway)
    for project_id, text in sent:
        await client.send(action="forward", type="dev", data=text, project_id=project_id, message_id=text, id=text)
    replies = [await client.reply_to(text) for _, text in sent]
    assert {reply["type"] for reply in replies} == {"forward_confirmed"}
