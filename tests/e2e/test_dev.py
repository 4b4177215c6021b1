"""`websocket-handler dev`, as a newcomer uses it: agents answer, a killed gateway comes back, nothing stays behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.support.demo_process import DemoProcess, all_gone, started_dev
from tests.support.gateway import REPOSITORY, clean_environment
from tests.support.links import PythonLink, new_project, open_client
from tests.support.own_agent import answer_as_dev, is_own_update
from tests.support.patience import PATIENCE_S


@pytest.fixture(scope="module")
def dev() -> Iterator[DemoProcess]:
    """One that runs, without the agent that a test plays itself."""
    with started_dev("--without", "dev", settings={"LOG_LEVEL": "warning", "PING_INTERVAL_S": "77"}) as running:
        running.wait_until_it_runs()
        yield running
        parts = psutil.Process(running.process.pid).children(recursive=True)
        running.process.send_signal(signal.SIGINT)
        assert running.wait_for_exit() == 0
        assert all_gone(parts)
        assert running.text.rstrip().endswith("dev has stopped. Its queues and logs are gone.")


@pytest.mark.asyncio(loop_scope="session")
async def test_a_demo_agent_answers_and_an_agent_of_ones_own_takes_over(dev: DemoProcess) -> None:
    """PM is dev's own. The next one is started with what dev prints, pasted into a shell."""
    project_id = new_project()
    client = await open_client(PythonLink.connect, f"ws://{dev.address}/ws", project_id)
    assert client.greeting["ping_interval_s"] == 77, "a setting of the environment"
    assert (await client.next())["type"] == "subscription_confirmed"
    sent = await client.request("forward", type="pm", project_id=project_id, data={"text": "build it"})
    updates = await client.take(4)
    assert [update["type"] for update in updates] == ["pm_accepted", "pm_progress", "pm_progress", "pm_plan"]
    assert {update["task_id"] for update in updates} == {sent["message_id"]}

    await answer_as_dev(dev)
    update = await client.next()
    assert is_own_update(update, {"text": "build it"})
    await client.close()


@pytest.mark.asyncio(loop_scope="session")
async def test_a_killed_gateway_is_started_again_and_the_queues_go_on(dev: DemoProcess) -> None:
    """Its log was in memory, so clients are told that it is another one. The tail that runs meanwhile says so."""
    project_id = new_project()
    tail = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "websocket_handler", "tail", project_id, "--since", "start", "--json", "--count", "2"),
        env=clean_environment({"WEBSOCKET_HANDLER_URL": f"ws://{dev.address}"}),
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    client = await open_client(PythonLink.connect, f"ws://{dev.address}/ws")
    await client.publish(project_id, {"n": 1})
    assert tail.stdout is not None
    assert json.loads(await tail.stdout.readline())["n"] == 1
    os.kill(dev.pids["gateway"], signal.SIGKILL)
    await asyncio.to_thread(dev.wait_for, r"^gateway is back: pid (\d+)\.$")
    client = await open_client(PythonLink.connect, f"ws://{dev.address}/ws")
    await client.publish(project_id, {"n": 2})
    output, errors = await asyncio.wait_for(tail.communicate(), PATIENCE_S)
    assert json.loads(output)["n"] == 2
    assert b"gap: the log is a new one" in errors
    assert tail.returncode == 0
    await client.close()
