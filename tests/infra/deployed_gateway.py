"""A gateway process with the environment of a deployed task."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.infra.account import REPOSITORY
from tests.infra.deployed import Deployed
from tests.support.ecs_agent import EcsAgent
from tests.support.patience import PATIENCE_S

TOKEN_KEY = "0123456789abcdef" * 4


def task_environment(deployed: Deployed) -> dict[str, str]:
    """The variables of the deployed task, with a key where ECS would read a secret."""
    (container,) = deployed.task_definition()["containerDefinitions"]
    secrets = {item["name"]: TOKEN_KEY for item in container.get("secrets", [])}
    return {item["name"]: item["value"] for item in container["environment"]} | secrets


@contextmanager
def running_gateway(deployed: Deployed, task: dict[str, str], agent: EcsAgent | None = None) -> Iterator[str]:
    """The gateway with the environment of the deployed task; its `host:port`."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {
        **deployed.account.environment,
        **task,
        "WEBSOCKET_HOST": "127.0.0.1",
        "WEBSOCKET_PORT": str(port),
        "TARGET_ADDRESS": "127.0.0.1",
        "ECS_AGENT_URI": agent.uri if agent else "",
        "DRAIN_SECONDS": "1",
    }
    command = [sys.executable, "-m", "websocket_handler", "serve"]
    process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL)
    try:
        _wait_until_ready(port, process)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        assert process.wait(30) == 0


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        assert process.poll() is None, "the gateway ended"
        assert time.monotonic() < deadline, "the gateway did not become ready"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
