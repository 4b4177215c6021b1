"""An agent whose queue, tasks or way out fail, and one that is stopped, in virtual time."""

import asyncio
from typing import Any

import pytest

from tests.clients.python.agents import Gate, gated, working
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler_client import Agent, Task, UnansweredError
from websocket_handler_client.testing import FakeOutlet, FakeQueue


@in_virtual_time
async def test_stop_hands_back_what_does_not_end_in_time() -> None:
    ended: list[str] = []

    async def work(task: Task) -> None:
        async with task.stream() as out:
            await out.write("Hel")
            await asyncio.sleep(task.data)
        ended.append("yes")

    queue = FakeQueue(hidden_s=600)
    async with working(work, queue, grace_s=10.0, slots=4) as scene:
        for seconds, group in ((5, "a"), (3600, "b"), (1, "b")):
            queue.put(seconds, group=group)
        await settle()
        scene.agent.stop()
    assert (ended, len(queue.deleted)) == (["yes"], 1)
    assert queue.waiting == 2, "handed back at once, not after ten minutes"
    assert scene.types.count("TEXT_MESSAGE_END") == 1


@in_virtual_time
async def test_what_a_question_brings_after_the_stop_is_handed_back() -> None:
    gate = Gate()
    queue = FakeQueue(hidden_s=600)
    async with working(gated(gate), queue) as scene:
        await settle()
        scene.agent.stop()
        await settle()
        queue.put("late")
    assert (gate.begun, queue.waiting) == ([], 1)


@in_virtual_time
async def test_a_task_whose_lease_is_lost_is_stopped() -> None:
    gate = Gate()
    async with working(gated(gate), FakeQueue(hidden_s=30), slots=1) as scene:
        scene.queue.put("it")
        await settle()
        scene.queue.lose_leases()
        await asyncio.sleep(20)
        assert gate.begun == ["it", "it"], "stopped, and received again"
        gate.open()
        await scene.queue.until_empty()
        assert gate.most == 1


@in_virtual_time
async def test_a_queue_that_is_down_is_asked_again() -> None:
    gate = Gate()
    gate.open()
    queue = FakeQueue()
    queue.is_down = True
    async with working(gated(gate), queue) as scene:
        queue.put("it")
        await asyncio.sleep(60)
        queue.is_down = False
        await scene.queue.until_empty()
        assert gate.begun == ["it"]


@pytest.mark.parametrize(
    ("body", "attributes"),
    [
        ("no JSON", {}),
        ("{}", {}),
        ('{"data":1,"message_id":7}', {}),
        ('{"data":1,"message_id":"m","project_id":7}', {}),
    ],
)
def test_a_message_that_is_no_task_is_left_to_the_queue(body: str, attributes: dict[str, str]) -> None:
    gate: list[Any] = []

    async def work(task: Task) -> None:
        gate.append(task.data)

    @in_virtual_time
    async def scene() -> FakeQueue:
        async with working(work, FakeQueue(receives_max=2)) as made:
            made.queue.put_body(body, attributes)
            await made.queue.until_empty()
            return made.queue

    queue = scene()
    assert (gate, queue.dead, queue.deleted) == ([], [body], [])


@in_virtual_time
async def test_a_task_whose_body_is_only_its_data() -> None:
    """As with `FORWARD_BODY=data`."""
    seen: list[tuple[Any, str, str | None, str | None]] = []

    async def work(task: Task) -> None:
        seen.append((task.data, task.message_id, task.project, task.user_id))

    async with working(work) as scene:
        attributes = {"MessageId": "m", "ProjectId": "q", "UserId": "ada"}
        scene.queue.put_body('{"data": 1}', attributes)
        await scene.queue.until_empty()
        assert seen == [({"data": 1}, "m", "q", "ada")]
        assert {message["project_id"] for message in scene.outlet.published} == {"q"}


@in_virtual_time
async def test_a_task_without_a_project_says_nothing() -> None:
    async def work(task: Task) -> None:
        await task.say("to nobody")

    async with working(work) as scene:
        scene.queue.put({}, project_id=None)
        await scene.queue.until_empty()
        assert (scene.types, len(scene.queue.deleted)) == ([], 1)


@in_virtual_time
async def test_a_task_that_is_handed_over_has_the_same_name_in_every_run() -> None:
    async def work(task: Task) -> None:
        task.hand_over("qa", {"check": task.data})
        if task.attempt == 1:
            raise OSError("so nothing is handed over yet")

    async with working(work, accept=lambda task: {"text": f"attempt {task.attempt}"}) as scene:
        scene.queue.put("it", message_id="m")
        await scene.queue.until_empty()
        assert [message["text"] for message in scene.outlet.of_type("dev_accepted")] == ["attempt 1"]
        ((agent, envelope),) = scene.queue.sent
        assert (agent, envelope["data"], envelope["project_id"]) == ("qa", {"check": "it"}, "p")


@in_virtual_time
async def test_what_could_not_be_said_fails_the_task() -> None:
    async def work(task: Task) -> dict[str, int]:
        return {"n": task.attempt}

    async with working(work) as scene:
        scene.outlet.faults = [UnansweredError(), UnansweredError()]
        scene.queue.put({})
        await scene.queue.until_empty()
        assert [message["n"] for message in scene.outlet.of_type("dev_result")] == [2]


def test_an_agent_has_one_function_and_it_is_async() -> None:
    agent = Agent("dev", queue=FakeQueue(), outlet=FakeOutlet())
    with pytest.raises(TypeError, match="async def"):
        agent.task(print)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="decorate"):
        asyncio.run(agent.serve())

    @agent.task
    async def work(task: Task) -> None:
        """Do nothing."""

    with pytest.raises(TypeError, match="one function"):
        agent.task(work)
    with pytest.raises(ValueError, match="slots"):
        Agent("dev", slots=0)
