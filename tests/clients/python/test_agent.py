"""What an agent does with a task, in virtual time."""

import asyncio
from itertools import pairwise
from typing import Any

from tests.clients.python.agents import Gate, gated, working
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler_client import Agent, Task
from websocket_handler_client.testing import FakeQueue


@in_virtual_time
async def test_a_task_is_accepted_reported_on_answered_and_deleted() -> None:
    async def work(task: Task) -> dict[str, Any]:
        await task.say("Reading", file="a.py")
        async with task.stream() as out:
            for word in ("Hel", "", "lo"):
                await out.write(word)
        await task.publish({"type": "mine", "agent": "me"})
        return {"files": task.data["files"], "attempt": task.attempt, "user": task.user_id}

    async with working(work) as scene:
        name = scene.queue.put({"files": 3})
        await scene.queue.until_empty()
        text = {"messageId": f"{name}:1"}
        common = {"project_id": "p", "agent": "dev", "task_id": name}
        assert [
            {field: value for field, value in message.items() if field not in ("producer", "sequence")}
            for message in scene.outlet.published
        ] == [
            {**common, "type": "dev_accepted"},
            {**common, "type": "dev_progress", "text": "Reading", "file": "a.py"},
            {**common, "type": "TEXT_MESSAGE_START", **text, "role": "assistant"},
            {**common, "type": "TEXT_MESSAGE_CONTENT", **text, "delta": "Hel"},
            {**common, "type": "TEXT_MESSAGE_CONTENT", **text, "delta": "lo"},
            {**common, "type": "TEXT_MESSAGE_END", **text},
            {**common, "type": "mine", "agent": "me"},
            {**common, "type": "dev_result", "files": 3, "attempt": 1, "user": None},
        ]
        numbers = [(message["producer"], message["sequence"]) for message in scene.outlet.published]
        assert numbers == [*((f"dev:{name}", n) for n in range(7)), (f"dev:{name}:result", 0)]
        assert len(scene.queue.deleted) == 1


@in_virtual_time
async def test_no_more_tasks_are_taken_than_there_are_free_slots() -> None:
    gate = Gate()
    async with working(gated(gate), slots=3) as scene:
        for n in range(8):
            scene.queue.put(n)
        await settle()
        assert (gate.begun, scene.queue.waiting) == ([0, 1, 2], 5)
        gate.open()
        await scene.queue.until_empty()
        assert (sorted(gate.begun), gate.most) == (list(range(8)), 3)


@in_virtual_time
async def test_a_task_stays_hidden_from_its_receipt_until_it_is_done() -> None:
    """Also while it waits for its group."""
    gate = Gate()
    async with working(gated(gate), FakeQueue(hidden_s=30, receives_max=1)) as scene:
        scene.queue.put("first", group="g")
        scene.queue.put("second", group="g")
        await asyncio.sleep(3600)
        assert (gate.begun, scene.queue.waiting) == (["first"], 0)
        gate.open()
        await scene.queue.until_empty()
        assert (gate.begun, scene.queue.dead) == (["first", "second"], [])


@in_virtual_time
async def test_a_group_is_worked_on_in_order_and_others_beside_it() -> None:
    gates = {n: Gate() for n in range(4)}

    async def work(task: Task) -> None:
        await gates[task.data](task)

    async with working(work, FakeQueue()) as scene:
        for n, group in enumerate(("a", "a", "b", "a")):
            scene.queue.put(n, group=group)
        await settle()
        assert [n for n, gate in gates.items() if gate.begun] == [0, 2]
        gates[0].open()
        await settle()
        assert [n for n, gate in gates.items() if gate.begun] == [0, 1, 2]
        gates[3].open()
        gates[2].open()
        gates[1].open()
        await scene.queue.until_empty()
        assert [gate.most for gate in gates.values()] == [1, 1, 1, 1]


@in_virtual_time
async def test_a_failure_stops_its_group_but_no_other() -> None:
    done: list[str] = []

    async def work(task: Task) -> None:
        if task.data == "a1" and task.attempt == 1:
            raise ValueError("no")
        done.append(task.data)

    async with working(work, FakeQueue()) as scene:
        for name in ("a1", "a2", "b1", "a3"):
            scene.queue.put(name, group=name[0])
        await scene.queue.until_empty()
        assert done == ["b1", "a1", "a2", "a3"]


@in_virtual_time
async def test_a_failure_is_told_and_tried_again_and_poison_is_left_to_the_queue() -> None:
    times: list[float] = []

    async def work(task: Task) -> None:
        times.append(asyncio.get_running_loop().time())
        raise ValueError("no such file")

    async with working(work, FakeQueue(receives_max=3), retry_base_s=10.0) as scene:
        name = scene.queue.put({})
        await scene.queue.until_empty()
        assert len(scene.queue.dead) == 1
        failures = scene.outlet.of_type("dev_failed")
        assert [(failure["attempt"], failure["attempts_max"], failure["is_last"]) for failure in failures] == [
            (1, 3, False),
            (2, 3, False),
            (3, 3, True),
        ]
        assert {failure["text"] for failure in failures} == {"ValueError: no such file"}
        assert {failure["task_id"] for failure in failures} == {name}
        assert scene.types.count("dev_accepted") == 1
        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert 5 <= pauses[0] <= 10
        assert 10 <= pauses[1] <= 20


@in_virtual_time
async def test_a_task_that_runs_twice_is_seen_once() -> None:
    """The queue could not delete it, and another process of the agent got it."""
    runs: list[int] = []

    async def work(task: Task) -> dict[str, int]:
        runs.append(task.attempt)
        await task.say("half")
        return {"n": 1}

    queue = FakeQueue(hidden_s=60)
    async with working(work, queue) as scene:
        queue.put({})
        await settle()
        assert scene.types == ["dev_accepted", "dev_progress", "dev_result"]
        queue.put({}, message_id="m")
        await queue.until_empty()
        outlet = scene.outlet
    another = FakeQueue()
    another.put({}, message_id="m")
    agent = Agent("dev", queue=another, outlet=outlet)
    agent.task(work)
    serving = asyncio.create_task(agent.serve())
    await another.until_empty()
    agent.stop()
    await serving
    assert len(runs) == 3
    assert [message["type"] for message in outlet.published] == ["dev_accepted", "dev_progress", "dev_result"] * 2


@in_virtual_time
async def test_a_second_run_that_says_something_else_still_gets_its_result_out() -> None:
    async def work(task: Task) -> dict[str, Any]:
        await task.say(f"attempt {task.attempt}")
        if task.attempt == 1:
            await task.say("and one more")
            raise OSError("broken pipe")
        return {"n": 1}

    async with working(work) as scene:
        scene.queue.put({})
        await scene.queue.until_empty()
        progress = [message["text"] for message in scene.outlet.of_type("dev_progress")]
        assert progress == ["attempt 1", "and one more"], "what was said first stands"
        assert [message["type"] for message in scene.outlet.published[-2:]] == ["dev_failed", "dev_result"]


@in_virtual_time
async def test_the_same_task_twice_in_the_queue_is_done_once() -> None:
    gate = Gate()
    async with working(gated(gate)) as scene:
        for _ in range(2):
            scene.queue.put("it", message_id="m")
        await settle()
        gate.open()
        await scene.queue.until_empty()
        assert (gate.begun, len(scene.queue.deleted)) == (["it"], 2)
