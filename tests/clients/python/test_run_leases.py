"""How an agent keeps the lease of a run, and what it does when the gateway has ended its run. In virtual time."""

import asyncio
from typing import Any

import pytest

from tests.clients.python.agents import Scene, working
from tests.support.virtual_time import in_virtual_time
from websocket_handler_client import Task
from websocket_handler_client.core.position import Position
from websocket_handler_client.errors import RefusedError
from websocket_handler_client.publishing.outlet import Outgoing
from websocket_handler_client.tasks.run import ALIVE, QUEUED
from websocket_handler_client.testing import FakeOutlet, FakeQueue


def asked(run_id: str) -> dict[str, Any]:
    """A task as the gateway makes it of a request of an AG-UI client."""
    return {"threadId": "p", "runId": run_id, "messages": [], "tools": [], "context": []}


def delta(text: str) -> dict[str, Any]:
    return {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": text}


class Gateway(FakeOutlet):
    """Answers with positions. `lost` are attempts at runs that it has ended."""

    needs_numbers = False

    def __init__(self) -> None:
        super().__init__()
        self.lost: set[int] = set()

    def send(self, outgoing: list[Outgoing], timeout_s: float) -> list[Position | None]:
        for one in outgoing:
            attempt = one.message.get("attempt", 1)
            begins = one.message.get("type") == "RUN_STARTED" and attempt > 1
            if begins and attempt - 1 not in self.lost:
                raise RefusedError("run_not_lost", "the run is open")
            if one.message.get("runId") and attempt in self.lost:
                raise RefusedError("lease_lost", "that attempt is over")
        super().send(outgoing, timeout_s)
        return [Position("e", len(self.published))] * len(outgoing)


def scene_with(gateway: Gateway, scene: Scene) -> Scene:
    scene.agent._outlet = gateway
    return scene


def names(published: list[dict[str, Any]]) -> list[str]:
    """The events of the run in a word each."""
    return [each.get("name") or each["type"] for each in published if each["type"].isupper()]


@in_virtual_time
async def test_a_run_in_which_nothing_is_said_is_kept_alive() -> None:
    async def work(_task: Task) -> None:
        await asyncio.sleep(50)

    async with working(work) as scene:
        scene.queue.put(asked("r1"), message_id="r1")
        await scene.queue.until_empty()
    assert names(scene.outlet.published) == ["RUN_STARTED", *[ALIVE] * 4, "RUN_FINISHED"]
    beats = scene.outlet.of_type("CUSTOM")
    assert {(each["producer"], each["runId"]) for each in beats} == {("dev:r1:alive:1", "r1")}
    assert [each["sequence"] for each in beats] == [1, 2, 3, 4]


@in_virtual_time
async def test_a_task_that_is_no_run_says_nothing_of_that() -> None:
    async def work(_task: Task) -> None:
        await asyncio.sleep(50)

    async with working(work) as scene:
        scene.queue.put({"task": "x"}, message_id="t1")
        await scene.queue.until_empty()
    assert scene.types == ["dev_accepted", "dev_result"]


@in_virtual_time
async def test_between_two_tries_nobody_has_the_lease() -> None:
    tries = 0

    async def work(_task: Task) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ValueError("no")

    async with working(work, retry_base_s=600.0) as scene:
        scene.queue.put(asked("r1"), message_id="r1")
        await scene.queue.until_empty()
    assert names(scene.outlet.published) == ["RUN_STARTED", ALIVE, QUEUED, ALIVE, "RUN_FINISHED"]


@in_virtual_time
async def test_a_run_that_was_ended_is_told_anew_by_the_next_try() -> None:
    gateway, tries = Gateway(), 0

    async def work(task: Task) -> None:
        nonlocal tries
        tries += 1
        async with task.stream() as out:
            await out.write(f"try {tries}")
            if tries == 1:
                await asyncio.sleep(1)
                gateway.lost.add(1)  # it heard nothing for too long
                await asyncio.sleep(1000)
        await task.say("written")

    async with working(work, FakeQueue()) as scene:
        scene_with(gateway, scene)
        scene.queue.put(asked("r1"), message_id="r1")
        await scene.queue.until_empty()
    events = [each for each in gateway.published if each["type"].isupper()]
    assert names(events) == [
        *("RUN_STARTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", ALIVE),
        *("RUN_STARTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", ALIVE, "RUN_FINISHED"),
    ]
    second = [each for each in events if each.get("attempt") == 2]
    assert [each.get("messageId") for each in second if "messageId" in each] == ["r1:2:1"] * 3
    assert len(second) == 6
    assert [each.get("delta") for each in events if "delta" in each] == ["try 1", "try 2"]
    assert [each["text"] for each in gateway.of_type("dev_progress")] == ["written"]


@in_virtual_time
async def test_a_run_that_is_still_open_goes_on_under_the_same_numbers() -> None:
    gateway, tries = Gateway(), 0

    async def work(task: Task) -> None:
        nonlocal tries
        tries += 1
        await task.run.say(delta("one"))
        if tries == 1:
            raise ValueError("no")
        await task.run.say(delta("two"))

    async with working(work, retry_base_s=0.1) as scene:
        scene_with(gateway, scene)
        scene.queue.put(asked("r1"), message_id="r1")
        await scene.queue.until_empty()
    content = "TEXT_MESSAGE_CONTENT"
    expected = ["RUN_STARTED", content, ALIVE, QUEUED, ALIVE, content, "RUN_FINISHED"]
    assert sorted(names(gateway.published)) == sorted(expected)
    assert [each["delta"] for each in gateway.of_type(content)] == ["one", "two"]
    assert all("attempt" not in each for each in gateway.published if each["type"].isupper())


@in_virtual_time
async def test_a_beginning_that_was_said_in_other_words_stands() -> None:
    gateway = Gateway()
    number = {"producer": "dev:r1:2", "sequence": 0}
    other = {"type": "RUN_STARTED", "runId": "r1", "attempt": 2, "words": "of an older agent", **number}

    async def work(task: Task) -> None:
        await task.run.say(delta("one"))
        if not gateway.lost:
            gateway.lost.add(1)
            gateway.send([Outgoing("p", other)], 1.0)
            raise ValueError("no")

    async with working(work, retry_base_s=0.1) as scene:
        scene_with(gateway, scene)
        scene.queue.put(asked("r1"), message_id="r1")
        await scene.queue.until_empty()
    second = [each for each in gateway.published if each["type"].isupper() and each.get("attempt") == 2]
    assert sorted(names(second)) == sorted(["RUN_STARTED", "TEXT_MESSAGE_CONTENT", ALIVE, "RUN_FINISHED"])


@pytest.mark.parametrize("code", ["run_not_lost", "lease_lost", "already_decided", "invalid_field"])
@in_virtual_time
async def test_no_other_refusal_than_a_conflict_counts_as_said(code: str) -> None:
    gateway = Gateway()

    async def work(task: Task) -> None:
        await task.run.say(delta("one"))
        if task.attempt == 1:
            gateway.faults.append(RefusedError(code, "no"))
        await task.run.say(delta("two"))

    async with working(work, retry_base_s=0.1) as scene:
        scene_with(gateway, scene)
        scene.queue.put(asked("r1"), message_id="r1")
        await scene.queue.until_empty()
    assert [each["delta"] for each in gateway.of_type("TEXT_MESSAGE_CONTENT")] == ["one", "two"]
