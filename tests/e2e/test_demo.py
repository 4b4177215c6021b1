"""The demo, as a newcomer uses it: it survives kills, takes settings and agents of others, leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import psutil
import pytest

from tests.e2e.browser import Page
from tests.support.demo_process import DemoProcess, all_gone, started_demo
from tests.support.links import PythonLink, new_project, open_client
from tests.support.own_agent import answer_as_dev, is_own_update
from tests.support.patience import PATIENCE_S

EACH_TIME = 60
ALL_ROWS_PX = 12_000
"""A window so high that it shows all updates of this test: rows that are not in sight are not in the page."""


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoProcess]:
    """One that runs, without the agent that a test plays itself."""
    with started_demo("--without", "dev", settings={"PING_INTERVAL_S": "77"}) as running:
        running.wait_until_it_runs()
        yield running
        parts = psutil.Process(running.process.pid).children(recursive=True)
        assert running.stop() == 0
        assert all_gone(parts)


@pytest.mark.asyncio(loop_scope="session")
async def test_what_it_prints_is_enough_for_an_agent_of_ones_own(demo: DemoProcess) -> None:
    """Pasted into a shell: the agent gets the task that a client forwarded, and the client gets the agent's update."""
    project_id = new_project()
    client = await open_client(PythonLink.connect, f"ws://{demo.address}/ws", project_id)
    assert client.greeting["ping_interval_s"] == 77, "a setting of the environment"
    assert (await client.next())["type"] == "subscription_confirmed"
    sent = await client.request("forward", type="dev", project_id=project_id, data={"text": "build it"})
    assert sent["type"] == "forward_confirmed"

    describe = 'boto3.client("dynamodb").describe_table(TableName=os.environ["DYNAMODB_TABLE_NAME"])'
    await answer_as_dev(demo, then=describe)

    update = await client.next()
    assert is_own_update(update, {"text": "build it"})
    await client.close()


class Stream:
    """Updates that an agent puts into the queue, numbered from 1, one after the other: `EACH_TIME` for each `go_on`."""

    def __init__(self, demo: DemoProcess, project_id: str) -> None:
        exported = dict(
            line.removeprefix("export ").split("=", 1) for line in demo.exports.splitlines() if line[0] == "e"
        )
        self.sent = 0
        self._project_id = project_id
        self._queue_url = exported["SQS_QUEUE_URL_UPDATES"]
        self._sqs = boto3.client(
            "sqs",
            endpoint_url=exported["AWS_ENDPOINT_URL"],
            region_name=exported["AWS_REGION"],
            aws_access_key_id=exported["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=exported["AWS_SECRET_ACCESS_KEY"],
        )
        self._orders: queue.SimpleQueue[int] = queue.SimpleQueue()

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Everything that was allowed is sent when the `with` block has ended."""
        sending = threading.Thread(target=self._send)
        sending.start()
        try:
            yield
        finally:
            self._orders.put(0)
            sending.join(PATIENCE_S)
            self._sqs.close()

    def go_on(self) -> None:
        """Send some more, from now on."""
        self._orders.put(EACH_TIME)

    def _send(self) -> None:
        while count := self._orders.get():
            for _ in range(count):
                update = {"project_id": self._project_id, "type": "step", "n": self.sent + 1}
                self._sqs.send_message(QueueUrl=self._queue_url, MessageBody=json.dumps(update))
                self.sent += 1


def shown(project_id: str) -> str:
    """The rows of a project, in JavaScript."""
    return f"[...document.querySelectorAll('#updates .update[data-project=\"{project_id}\"]')]"


@pytest.mark.asyncio(loop_scope="session")
async def test_a_kill_of_the_gateway_loses_nothing_and_doubles_nothing(demo: DemoProcess, page: Page) -> None:
    """`kill -9`, three times, in the middle of a stream: the page comes back by itself and shows each update once."""
    project_id = new_project()
    await page.look(height=ALL_ROWS_PX)
    await page.go_to(f"http://{demo.address}/?project_id={project_id}")
    await page.until(f"document.querySelector('[data-project=\"{project_id}\"]')?.dataset.status === 'live'")
    stream, gateway_pid = Stream(demo, project_id), demo.pids["gateway"]
    with stream.flowing():
        for kills in (1, 2, 3):
            seen = int(await page.run(f"{shown(project_id)}.length"))
            stream.go_on()
            await page.until(f"{shown(project_id)}.length > {seen + 10}")
            os.kill(gateway_pid, signal.SIGKILL)
            back = await asyncio.to_thread(demo.wait_for, r"^gateway is back: pid (\d+)\.$", kills)
            gateway_pid = int(back[1])
        await page.until("document.querySelector('#state').dataset.state === 'live'")
        stream.go_on()

    assert stream.sent == 4 * EACH_TIME
    await page.until(f"{shown(project_id)}.length >= {stream.sent}")
    offsets = await page.run(f"{shown(project_id)}.map((row) => Number(row.dataset.offset))")
    numbers = await page.run(
        f"{shown(project_id)}.map((row) => Number(/n: (\\d+)/.exec(row.querySelector('.summary').textContent)[1]))"
    )
    counters = [await page.text(f"#{name}") for name in ("lost", "doubled", "resets")]
    await page.go_to("about:blank")
    await page.look()

    assert offsets == list(range(1, stream.sent + 1))
    assert sorted(numbers) == list(range(1, stream.sent + 1))
    assert counters == ["0", "0", "0"]
    assert len(set(demo.pids.values())) == len(demo.pids), "the emulator and the agents are the same as before"
    demo.wait_for(r"^gateway \(pid \d+\) was ended by SIGKILL", 3)
    assert psutil.pid_exists(demo.pids["emulator"])


def test_agents_come_back_unless_somebody_stopped_them() -> None:
    """A kill is an accident; SIGTERM makes room for somebody's own. Without the emulator there is no going on."""
    with started_demo() as demo:
        demo.wait_until_it_runs()
        pids = demo.pids
        parts = [psutil.Process(pid) for pid in pids.values()]
        os.kill(pids["agent pm"], signal.SIGTERM)
        demo.wait_for("^agent pm was stopped; its queue is free")
        os.kill(pids["agent qa"], signal.SIGKILL)
        demo.wait_for(r"^agent qa \(pid \d+\) was ended by SIGKILL; starting it again in 0\.2 s\.$")
        demo.wait_for(r"^agent qa is back: pid \d+\.$")
        os.kill(pids["emulator"], signal.SIGKILL)

        assert demo.wait_for_exit() == 1
        assert all_gone(parts)
        assert "agent pm is back" not in demo.text
        assert demo.text.rstrip().endswith("It held the queues and the table, so the demo stops.")


def test_ctrl_c_stops_everything() -> None:
    """With exit code 0, and the gateway drains. SIGTERM does the same: so the other tests end it."""
    with started_demo() as demo:
        demo.wait_until_it_runs()
        parts = psutil.Process(demo.process.pid).children(recursive=True)
        assert {part.pid for part in parts} == set(demo.pids.values())
        demo.process.send_signal(signal.SIGINT)

        assert demo.wait_for_exit() == 0
        assert all_gone(parts)
        assert "node.drained" in demo.text
        assert demo.text.rstrip().endswith("The demo has stopped.")


def test_killed_it_leaves_nothing_behind() -> None:
    """No signal handler can run then: the parts notice by themselves."""
    with started_demo() as demo:
        demo.wait_until_it_runs()
        parts = psutil.Process(demo.process.pid).children(recursive=True)
        assert len(parts) == 6
        demo.process.kill()

        assert all_gone(parts)


def test_it_ends_with_the_process_that_started_it() -> None:
    """`make run` names itself: a killed make leaves nothing behind."""
    command = f"{sys.executable} -m demo.run --ends-with $$ & wait"
    with started_demo(command=["bash", "-c", command]) as demo:
        demo.wait_until_it_runs()
        started = psutil.Process(demo.process.pid).children(recursive=True)
        assert len(started) == 7
        demo.process.kill()

        assert all_gone(started)


def test_a_port_that_is_taken_is_said_once_and_nothing_starts() -> None:
    """With the exit code of `serve`, and the command that helps."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with started_demo(settings={"WEBSOCKET_PORT": str(port)}) as demo:
            assert demo.wait_for_exit() == 3

    (line,) = demo.text.splitlines()
    assert line.startswith(f"demo: Cannot use 127.0.0.1:{port}: Address already in use. Nothing was started.")
    assert line.endswith(f"WEBSOCKET_PORT={port + 1} make run")


def test_a_wrong_setting_is_said_once_and_nothing_starts() -> None:
    """In the words of `serve`, with its exit code."""
    with started_demo(settings={"WEBSOCKET_PORT": "eighty"}) as demo:
        assert demo.wait_for_exit() == 2

    (line,) = demo.text.splitlines()
    assert line.startswith("WEBSOCKET_PORT: ")


def test_settings_come_from_the_environment() -> None:
    """Port and address, too. Queues and table are the emulator's, whatever the environment says of an account."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    place = {"WEBSOCKET_PORT": str(port), "WEBSOCKET_HOST": "0.0.0.0"}
    account = {"AWS_PROFILE": "mine", "AWS_REGION": "eu-west-1", "SQS_QUEUE_URL_PM": "https://sqs.example/1/pm"}
    with started_demo(settings={**place, **account, "LOG_FORMAT": "json"}) as demo:
        demo.wait_until_it_runs()
        listening = json.loads(demo.wait_for(r'^\{.*"event":\s*"node\.listening".*$')[0])
        greeting = subprocess.run(
            ["curl", "-s", f"http://127.0.0.1:{port}/health"], capture_output=True, text=True, check=True
        )
        assert demo.printed_address == f"127.0.0.1:{port}"
        assert (listening["host"], listening["port"]) == ("0.0.0.0", port)
        assert greeting.stdout == "OK"
        assert demo.stop() == 0
        assert demo.text.startswith("AWS_REGION, SQS_QUEUE_URL_PM: the demo sets this itself")
        assert "sqs.example" not in demo.text
