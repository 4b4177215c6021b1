"""What AG-UI clients see of a task: its events, its one end, and what a stop does. In virtual time."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from tests.clients.python.agents import working
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler_client import Task
from websocket_handler_client.errors import RefusedError
from websocket_handler_client.tasks.run import ALIVE, QUEUED, fields_of
from websocket_handler_client.tasks.stops import is_stop, stops_from
from websocket_handler_client.testing import FakeQueue

ADDED = ("producer", "sequence", "project_id", "agent", "task_id")
START = {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"}
END = {"type": "TEXT_MESSAGE_END", "messageId": "m"}


def delta(text: str) -> dict[str, Any]:
    return {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": text}


async def stream(*events: Any) -> AsyncIterator[Any]:
    for event in events:
        yield event


def asked(run_id: str, **more: Any) -> dict[str, Any]:
    """A task as the gateway makes it of a request of an AG-UI client."""
    messages = [{"id": "u1", "role": "user", "content": "Hello"}]
    return {"threadId": "p", "runId": run_id, "messages": messages, "tools": [], "context": [], **more}


def shown(published: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was published of a run, without what the SDK adds to everything, and without what keeps its lease."""
    events = [{name: value for name, value in message.items() if name not in ADDED} for message in published]
    return [event for event in events if event["type"].isupper() and event.get("name") not in (ALIVE, QUEUED)]


class Wish:
    """Somebody who may want a run to stop."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.heard: list[tuple[str, str, str | None]] = []
        self.is_closed = False
        self._said = asyncio.Event()
        self._fault = fault

    async def wanted(self, project_id: str, run_id: str, since: str | None) -> None:
        self.heard.append((project_id, run_id, since))
        if self._fault is not None:
            raise self._fault
        await self._said.wait()

    async def close(self) -> None:
        self.is_closed = True

    def stop(self) -> None:
        """Say it."""
        self._said.set()


class Pydantic:
    """An event of a library that is built on pydantic."""

    def model_dump_json(self, *, by_alias: bool, exclude_none: bool) -> str:
        assert by_alias, "AG-UI's names are camelCase"
        assert exclude_none, "clients stop at null"
        return json.dumps(START)


@in_virtual_time
async def test_the_events_of_an_agent_are_published_in_one_run() -> None:
    async def work(task: Task) -> None:
        own = {"threadId": "of the library", "runId": "of the library"}
        await task.agui(
            stream({"type": "RUN_STARTED", **own}, Pydantic(), delta("Hi"), END, {"type": "RUN_FINISHED", **own})
        )

    async with working(work) as scene:
        scene.queue.put(asked("r1"), message_id="r1")
        await scene.queue.until_empty()
    run = {"threadId": "p", "runId": "r1"}
    messages = asked("r1")["messages"]
    given = {**run, "messages": messages, "state": {}, "tools": [], "context": [], "forwardedProps": {}}
    assert shown(scene.outlet.published) == [
        {"type": "RUN_STARTED", **run, "input": given},
        *({**event, "runId": "r1"} for event in (START, delta("Hi"), END)),
        {"type": "RUN_FINISHED", **run},
    ]


@in_virtual_time
async def test_a_task_that_runs_twice_is_shown_once() -> None:
    tries = 0

    async def work(task: Task) -> None:
        nonlocal tries
        tries += 1
        await task.agui(stream(START, delta("one"), delta("two")))
        if tries == 1:
            raise ValueError("no")
        await task.agui(stream(END))

    async with working(work, retry_base_s=0.1) as scene:
        scene.queue.put(asked("r1"), message_id="r1")
        await scene.queue.until_empty()
    assert tries == 2
    types = [event["type"] for event in shown(scene.outlet.published)]
    content = "TEXT_MESSAGE_CONTENT"
    assert types == ["RUN_STARTED", "TEXT_MESSAGE_START", content, content, "TEXT_MESSAGE_END", "RUN_FINISHED"]


@in_virtual_time
async def test_a_run_ends_with_the_task_and_nothing_stays_open_in_it() -> None:
    async def work(task: Task) -> dict[str, int]:
        step = {"type": "STEP_STARTED", "stepName": "think"}
        call = {"type": "TOOL_CALL_START", "toolCallId": "c", "toolCallName": "search"}
        await task.agui(stream(step, START, END, call))
        return {"files": 3}

    async with working(work) as scene:
        scene.queue.put(asked("r1"), message_id="r1")
        await scene.queue.until_empty()
    assert shown(scene.outlet.published)[-3:] == [
        {"type": "TOOL_CALL_END", "toolCallId": "c", "runId": "r1"},
        {"type": "STEP_FINISHED", "stepName": "think", "runId": "r1"},
        {"type": "RUN_FINISHED", "threadId": "p", "runId": "r1", "result": {"files": 3}},
    ]


@in_virtual_time
async def test_an_agent_that_says_nothing_of_runs_is_a_run_for_who_asked_as_an_ag_ui_client() -> None:
    async def work(task: Task) -> None:
        async with task.stream() as out:
            await out.write("Hello")

    async with working(work) as scene:
        scene.queue.put(asked("r1"), message_id="r1")
        await scene.queue.until_empty()
        run = scene.outlet.published[:]
        scene.queue.put({"task": "x"}, message_id="plain")
        await scene.queue.until_empty()
    assert [event["type"] for event in shown(run)] == [
        "RUN_STARTED",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
        "RUN_FINISHED",
    ]
    assert all(event["runId"] == "r1" for event in shown(run))
    assert [event["type"] for event in shown(scene.outlet.published[len(run) :])] == [
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
    ]


@in_virtual_time
async def test_an_error_of_the_agent_ends_the_run_and_an_exception_only_at_the_last_try() -> None:
    async def work(task: Task) -> None:
        if task.data.get("state") == "told":
            await task.agui(stream({"type": "RUN_ERROR", "message": "no model", "code": "quota"}, delta("late")))
        else:
            raise ValueError("no such file")

    async with working(work, FakeQueue(receives_max=2), retry_base_s=0.1) as scene:
        scene.queue.put(asked("r1", state="told"), message_id="r1")
        await scene.queue.until_empty()
        told = shown(scene.outlet.published)
        scene.queue.put(asked("r2"), message_id="r2")
        await scene.queue.until_empty()
    assert told[1:] == [{"type": "RUN_ERROR", "message": "no model", "code": "quota", "runId": "r1"}]
    raised = shown(scene.outlet.published)[len(told) :]
    text = "ValueError: no such file"
    assert raised[1:] == [{"type": "RUN_ERROR", "message": text, "code": "failed", "runId": "r2"}]


@in_virtual_time
async def test_a_stop_cancels_the_work_and_the_task_is_done() -> None:
    wish, ended = Wish(), []

    async def work(task: Task) -> None:
        await task.agui(stream(START, delta("Once upon")))
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(task.message_id)

    async with working(work, stops=wish) as scene:
        scene.queue.put(asked("r1", since="e:41"), message_id="r1")
        await settle()
        assert (wish.heard, ended) == ([("p", "r1", "e:41")], [])
        wish.stop()
        await scene.queue.until_empty()
    assert (ended, len(scene.queue.deleted), wish.is_closed) == (["r1"], 1, True)
    assert shown(scene.outlet.published)[-2:] == [
        {"type": "TEXT_MESSAGE_END", "messageId": "m", "runId": "r1"},
        {"type": "RUN_FINISHED", "threadId": "p", "runId": "r1", "outcome": {"type": "cancelled"}},
    ]


@in_virtual_time
async def test_who_cannot_hear_a_stop_works_on() -> None:
    wish = Wish(RefusedError("forbidden", "not permitted"))

    async def work(_task: Task) -> str:
        await asyncio.sleep(1)
        return "done"

    async with working(work, stops=wish) as scene:
        scene.queue.put(asked("r1"), message_id="r1")
        await scene.queue.until_empty()
    assert scene.outlet.of_type("dev_result")[0]["result"] == "done"


@in_virtual_time
async def test_nobody_listens_for_a_task_of_another_kind_of_client() -> None:
    wish = Wish()

    async def work(_task: Task) -> None:
        return

    async with working(work, stops=wish) as scene:
        scene.queue.put({"task": "x"})
        await scene.queue.until_empty()
    assert wish.heard == []


def test_only_the_wish_for_this_run_counts() -> None:
    stop = {"type": "CUSTOM", "name": "wsh.stop", "runId": "r1", "value": {}}
    assert is_stop(stop, "r1")
    assert not any(is_stop(other, "r1") for other in ({**stop, "runId": "r2"}, {**stop, "name": "x"}, {"runId": "r1"}))


def test_stops_are_heard_where_the_environment_names_the_gateway() -> None:
    assert stops_from({}) is None
    assert stops_from({"WEBSOCKET_HANDLER_URL": "http://127.0.0.1:8080"}) is not None


def test_what_is_no_event_is_refused() -> None:
    assert fields_of(Pydantic()) == START
    with pytest.raises(TypeError, match="not int"):
        fields_of(7)
