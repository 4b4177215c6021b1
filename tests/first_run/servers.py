"""The documented commands that run until somebody stops them: how each is started, and what shows that it works."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from tests.support.demo_process import DemoProcess, started_demo
from tests.support.gateway import Gateway
from tests.support.links import PythonLink, open_client
from tests.support.newcomers_shell import TIMEOUT_S, Shell
from tests.support.patience import PATIENCE_S

PROJECT: Final = "proj_123"
SAME_AS_SERVER_PY: Final = ("python -m websocket_handler", "websocket-handler serve")


@contextmanager
def demo(command: str, shell: Shell) -> Iterator[None]:
    """`make run`: it runs, and stops when it is told to. What it printed for agents is
    in the shell from then on, as if it had been pasted."""
    began_at = time.monotonic()
    with started_demo(
        command=["bash", "-c", f"exec {command}"], folder=shell.folder, settings=shell.environment
    ) as made:
        made.wait_until_it_runs(TIMEOUT_S)  # it installs packages first
        print(f"\n{command}: runs after {time.monotonic() - began_at:.0f} s")  # noqa: T201 - for people
        expect_compiled_loop(made.wait_for(r"node\.listening.*$")[0])
        shell.paste(made.exports)
        yield
        made.stop()
        assert "The demo has stopped." in made.text  # make's own exit code says that somebody stopped it


@contextmanager
def cluster(command: str, shell: Shell) -> Iterator[None]:
    """`make cluster`: what somebody publishes on one node comes on another one, also while a node is killed, and that
    one comes back."""
    with started_demo(
        command=["bash", "-c", f"exec {command}"], folder=shell.folder, settings=shell.environment
    ) as made:
        made.wait_until_it_runs(TIMEOUT_S)
        asyncio.run(_nodes_are_one(made))
        yield
        made.stop()
        assert "The demo has stopped." in made.text


async def _nodes_are_one(made: DemoProcess) -> None:
    nodes = [made.wait_for(rf"^  node {number} +http://(\S+)/$")[1] for number in (1, 2, 3)]
    follower = await open_client(PythonLink.connect, f"ws://{nodes[1]}/ws", PROJECT)
    assert (await follower.next())["type"] == "subscription_confirmed"
    for number, address in enumerate((nodes[0], nodes[2], made.address)):
        if address == made.address:  # until then the balancer may answer 502 for the node that was killed
            await asyncio.to_thread(made.wait_for, r"^node 1 is back: pid \d+\.$")
        publisher = await open_client(PythonLink.connect, f"ws://{address}/ws")
        await publisher.publish(PROJECT, {"n": number})
        await publisher.close()
        assert (await follower.next())["n"] == number
        if number == 0:
            os.kill(made.pids["node 1"], signal.SIGKILL)
    await follower.close()


@contextmanager
def agent(command: str, shell: Shell) -> Iterator[None]:
    """A demo agent by itself: it does the work that a client sends it."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command}"], cwd=shell.folder, env=shell.environment, stdin=subprocess.DEVNULL
    )
    with process:
        try:
            asyncio.run(_work_is_done(f"ws://127.0.0.1:{shell.environment['WEBSOCKET_PORT']}/ws"))
            yield
        finally:
            process.terminate()
    assert process.returncode == 0


async def _work_is_done(url: str) -> None:
    client = await open_client(PythonLink.connect, url, PROJECT)
    await client.send(action="forward", type="dev", project_id=PROJECT, data={"text": "try", "only": True})
    async with asyncio.timeout(PATIENCE_S):
        while (await client.next()).get("type") != "dev_result":
            pass
    await client.close()


@contextmanager
def server(command: str, shell: Shell) -> Iterator[None]:
    """`python server.py` and the two commands that are said to do the same: ready, and stopped with exit code 0."""
    for each in (command, *SAME_AS_SERVER_PY):
        process = subprocess.Popen(
            ["bash", "-c", f"exec {each}"],
            cwd=shell.folder,
            env=shell.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                gateway = Gateway(process)
                record = gateway.wait_for_record("node.listening")
                gateway.port = int(record["port"])
                gateway.wait_until_ready()
                expect_compiled_loop(json.dumps(record))
                gateway.stop()
            finally:
                if process.poll() is None:
                    process.kill()
    yield


def expect_compiled_loop(listening: str) -> None:
    """The log says which loop it is: the compiled one wherever there is a compiler."""
    assert "native_send" in listening
    assert shutil.which("cc") is None or "true" in listening.partition("native_send")[2][:10], listening


SERVERS: Final[dict[str, Callable[[str, Shell], AbstractContextManager[None]]]] = {
    "make run": demo,
    "make cluster": cluster,
    'make run ARGS="--without dev"': demo,
    ".venv/bin/python -m demo.agent dev": agent,
    "python server.py": server,
}
ENDS_THE_OTHERS: Final = {command for command, start in SERVERS.items() if start is not agent}
"""These take the port of whatever runs already."""
