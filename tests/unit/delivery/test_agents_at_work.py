"""Who works on what: the open runs of the projects that are open here, and the last sign of life of each agent."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.http_api import Api
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.assembly import Core
from websocket_handler.delivery.agents_at_work import (
    AGENTS_MAX,
    NAME_CHARACTERS_MAX,
    NOBODY,
    RUNS_LISTED_MAX,
    AtWork,
    agents_at_work,
)
from websocket_handler.hub.log import LogLimits
from websocket_handler.logs.limits import DeliveryLimits


async def publish(core: Core, project_id: str, *events: dict[str, Any]) -> None:
    for event in events:
        core.server.send_to_project(project_id, event)
    await settle()


def started(run_id: str, agent: str | None = "dev", **more: Any) -> dict[str, Any]:
    named = {} if agent is None else {"agent": agent}
    return {"type": "RUN_STARTED", "threadId": "p", "runId": run_id, **named, **more}


def said(run_id: str, name: str) -> dict[str, Any]:
    return {"type": "CUSTOM", "name": name, "value": {}, "runId": run_id}


def of(core: Core, agent: str) -> AtWork:
    (found,) = [each for each in agents_at_work(core.node) if each.agent == agent]
    return found


@in_virtual_time
async def test_agents_that_nobody_has_heard_are_there_and_rest() -> None:
    core = Api().core
    await publish(core, "p", {"type": "note"})
    found = [(each.agent, each.seen_at, each.tasks, each.count) for each in agents_at_work(core.node)]
    assert found == [(name, None, [], 0) for name in ("pm", "dev", "qa", "ops")]


@in_virtual_time
async def test_a_run_is_its_agents_until_it_ends() -> None:
    core = Api().core
    wall = core.ports.clock.wall
    await publish(core, "p", started("r"))
    begun = wall()
    await asyncio.sleep(5)
    await publish(core, "p", said("r", "wsh.alive"))
    (task,) = of(core, "dev").tasks
    assert (task.project_id, task.run_id, task.attempt, task.state) == ("p", "r", 1, "working")
    assert task.heard_at == of(core, "dev").seen_at == begun + 5, "an event that only says that it lives counts"
    await asyncio.sleep(5)
    await publish(core, "p", {"type": "RUN_FINISHED", "threadId": "p", "runId": "r", "agent": "dev"})
    assert (of(core, "dev").tasks, of(core, "dev").seen_at) == ([], begun + 10)


@in_virtual_time
async def test_a_task_in_the_queue_waits_and_is_no_sign_of_life() -> None:
    core = Api().core
    await publish(core, "p", started("r", queued=True), said("r", "wsh.queued"))
    (task,) = of(core, "dev").tasks
    assert (task.state, task.heard_at, of(core, "dev").seen_at) == ("waiting", None, None)


@in_virtual_time
async def test_what_the_gateway_says_of_a_silent_agent_is_no_sign_of_life() -> None:
    core = Api().core
    begun = core.ports.clock.wall()
    await publish(core, "p", started("r"))
    await asyncio.sleep(60)
    await publish(core, "p", said("r", "wsh.stalled"))
    (task,) = of(core, "dev").tasks
    assert (task.state, task.heard_at) == ("stalled", begun)
    lost = {"type": "RUN_ERROR", "runId": "r", "message": "silent", "code": "lost", "agent": "dev"}
    await publish(core, "p", lost)
    assert (of(core, "dev").tasks, of(core, "dev").seen_at) == ([], None)


@in_virtual_time
async def test_a_run_that_names_nobody_is_nobodys() -> None:
    """Unless its newest event does, or the log no longer has its beginning."""
    core = Api().core
    await publish(core, "p", started("r", None))
    assert [task.run_id for task in of(core, NOBODY).tasks] == ["r"]
    await publish(core, "p", said("r", "wsh.alive") | {"agent": "qa"})
    assert [task.run_id for task in of(core, "qa").tasks] == ["r"]
    short = Api(delivery=DeliveryLimits(log=LogLimits(messages=2, bytes=1_000_000, seconds=1e9))).core
    await publish(short, "p", started("r"), said("r", "wsh.alive"), {"type": "a"}, {"type": "b"}, {"type": "c"})
    short.node.sweep()
    (task,) = of(short, NOBODY).tasks
    assert (task.run_id, task.heard_at) == ("r", None)


@in_virtual_time
async def test_so_many_runs_are_listed_and_all_are_counted() -> None:
    core = Api().core
    for number in range(RUNS_LISTED_MAX + 1):
        await publish(core, f"p{number // 10}", started(f"r{number}"))
    dev = of(core, "dev")
    assert (len(dev.tasks), dev.count) == (RUNS_LISTED_MAX, RUNS_LISTED_MAX + 1)


@in_virtual_time
async def test_so_many_names_are_told_apart() -> None:
    core = Api().core
    named = [f"agent-{number}" for number in range(AGENTS_MAX - 4)]
    for name in named:
        await publish(core, f"of-{name}", started("r", name))
    assert of(core, named[-1]).count == 1
    await publish(core, "one-more", started("r", "one-more"))
    found = agents_at_work(core.node)
    assert (len(found), of(core, NOBODY).count) == (AGENTS_MAX + 1, 1)


@in_virtual_time
async def test_a_long_name_is_cut() -> None:
    core = Api().core
    await publish(core, "p", started("r", "x" * (NAME_CHARACTERS_MAX + 1)))
    await publish(core, "q", started("r", "y" * NAME_CHARACTERS_MAX))
    names = [each.agent for each in agents_at_work(core.node)][4:]
    assert names == ["x" * NAME_CHARACTERS_MAX, "y" * NAME_CHARACTERS_MAX]
