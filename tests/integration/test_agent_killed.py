"""An agent is killed in mid-run: the run stalls and ends, its text stays, and another agent gets the task."""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest

from demo.testing import Emulator
from tests.support.gateway import clean_environment, off_loop, running_gateway
from tests.support.links import Client, Open, new_project
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio

LEASE_S = "3"
AGENT = """
import asyncio
from websocket_handler_client import Agent

agent = Agent("dev", alive_s=0.5)


@agent.task
async def work(task):
    async with task.stream() as out:
        await out.write(f"attempt {task.attempt}")
        if task.attempt == 1:
            await asyncio.Event().wait()


agent.run()
"""


@asynccontextmanager
async def agent_process(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", AGENT, env=clean_environment(environment))
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def run(port: int, project_id: str) -> str:
    """What an AG-UI client gets that sends a task, to the end of its stream."""
    body = json.dumps(
        {"threadId": project_id, "runId": f"run-{project_id}", "protocolVersion": "1.0", "messages": []}
        | {"tools": [], "context": [], "state": {}, "forwardedProps": {}}
    )
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
        connection.request("POST", "/agui/agent/dev/run", body, {"Content-Type": "application/json"})
        return connection.getresponse().read().decode()


async def until(client: Client, type_: str) -> list[dict[str, Any]]:
    """The publications up to one of this type, or with this name."""
    seen: list[dict[str, Any]] = []
    while not seen or type_ not in (seen[-1].get("type"), seen[-1].get("name")):
        seen += await client.take(1)
    return seen


async def test_a_killed_agent_loses_its_run_and_the_next_one_tells_it_anew(
    emulator: Emulator, settings: dict[str, str], open_on: Open
) -> None:
    project_id = new_project()
    with closing(emulator.client("sqs")) as sqs:
        url = str(sqs.create_queue(QueueName=project_id, Attributes={"VisibilityTimeout": "6"})["QueueUrl"])
        own = {"SQS_QUEUE_URL_DEV": url, "RUN_LEASE_S": LEASE_S}
        async with off_loop(running_gateway(settings, **own)) as gateway:
            client = await open_on(gateway, project_id)
            environment = {**settings, **own, "WEBSOCKET_HANDLER_URL": gateway.base_url}
            stream = asyncio.create_task(asyncio.to_thread(run, gateway.port, project_id))
            async with agent_process(environment) as agent:
                await until(client, "TEXT_MESSAGE_CONTENT")
                agent.kill()  # SIGKILL: it says nothing more
                await agent.wait()
                ends = await until(client, "RUN_ERROR")
            told = [each.get("name") or each["type"] for each in ends]
            assert [each for each in told if each != "wsh.alive"] == ["wsh.stalled", "TEXT_MESSAGE_END", "RUN_ERROR"]
            assert ends[-1]["code"] == "lost"
            shown = await stream
            assert shown.index('"delta":"attempt 1"') < shown.index("wsh.stalled") < shown.index('"code":"lost"')
            async with agent_process(environment):
                again = await until(client, "RUN_FINISHED")
            started = next(each for each in again if each["type"] == "RUN_STARTED")
            assert started["attempt"] == again[-1]["attempt"] == 2
            assert [each["delta"] for each in again if "delta" in each] == ["attempt 2"]
            assert (await asyncio.to_thread(run, gateway.port, project_id)).count("attempt 1") == 1, "its text stays"
