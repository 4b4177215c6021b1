"""How a run starts: first the queue, then the log, once, whoever asks. In virtual time."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.doubles import HandStore
from tests.support.http_api import Api
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.api.agui_input import RunInput, read_run_input
from websocket_handler.api.run_start import Starts, key_of
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.names import Agent

HERE = Position("e", 0)


def asked(run_id: str = "r1", *texts: str) -> RunInput:
    messages = [{"id": f"u{n}", "role": "user", "content": text} for n, text in enumerate(texts)]
    return read_run_input(json.dumps({"threadId": "p", "runId": run_id, "messages": messages}).encode())


async def start(api: Api, starts: Starts, one: RunInput, sender: str = "") -> None:
    await starts.start(sender, Agent.DEV, one, one.new_messages(()), HERE)


async def log(api: Api) -> list[Any]:
    """What the project's log has."""
    with api.core.node.feed("p") as feed:
        page = await feed.next(0)
    return [] if page is None else [json.loads(payload) for payload in page.payloads]


def tasks(api: Api) -> list[Any]:
    return api.core.ports.forwarder.queues[Agent.DEV]  # type: ignore[attr-defined, no-any-return]


@in_virtual_time
async def test_the_log_says_what_was_asked_once_the_queue_has_the_task() -> None:
    api = Api()
    await start(api, Starts(api.gateway), asked("r1", "Hello"))
    (begun,) = await log(api)
    assert (begun["type"], begun["threadId"], begun["runId"], begun["agent"]) == ("RUN_STARTED", "p", "r1", "dev")
    assert [message["content"] for message in begun["input"]["messages"]] == ["Hello"]
    assert len(tasks(api)) == 1


@in_virtual_time
async def test_whoever_asks_for_a_run_that_is_being_started_waits_for_the_same_start() -> None:
    store = HandStore()
    api = Api(ports={"log_store": store})
    starts = Starts(api.gateway)
    both = [asyncio.create_task(start(api, starts, asked("r1"))) for _ in range(2)]
    await settle()
    assert len(tasks(api)) == 1
    both[0].cancel()
    await settle()
    assert not both[1].done()
    both[1].cancel()
    await asyncio.wait(both)


@in_virtual_time
async def test_an_agent_that_was_faster_has_begun_the_run_in_its_own_words() -> None:
    api = Api()
    event = {"type": "RUN_STARTED", "threadId": "p", "runId": "r1"}
    api.core.server.send_to_project("p", event, key=key_of("dev", "r1", "started"))
    await start(api, Starts(api.gateway), asked("r1", "Hello"))
    assert [message["type"] for message in await log(api)] == ["RUN_STARTED"]


@in_virtual_time
async def test_what_cannot_be_published_is_not_forwarded() -> None:
    api = Api()
    with pytest.raises(CommandError) as refused:
        await start(api, Starts(api.gateway), asked("r1", "x" * 70_000))
    assert refused.value.code == "message_too_large"
    assert (tasks(api), await log(api)) == ([], [])


@in_virtual_time
async def test_a_start_that_failed_can_be_tried_again() -> None:
    api = Api()
    starts = Starts(api.gateway)
    with pytest.raises(CommandError):
        await start(api, starts, asked("r1", "x" * 70_000))
    await start(api, starts, asked("r1", "short"))
    assert len(tasks(api)) == 1


def test_the_key_is_the_one_that_the_agents_sdk_makes_of_its_numbers() -> None:
    assert key_of("dev", "r1", "ended") == "dev:r1:ended 0"
