"""`docker-compose up`: the whole local system comes up, takes a client from outside, and goes again."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.infra import local_system
from tests.infra.local_system import LocalSystem
from tests.support.patience import PATIENCE_S

REASON = local_system.reason_not_to()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(REASON), reason=REASON or "can run")]

QUEUE = """
import boto3, json
sqs = boto3.client("sqs", endpoint_url="http://127.0.0.1:5000", region_name="us-east-1",
                   aws_access_key_id="local", aws_secret_access_key="local")
url = sqs.get_queue_url(QueueName="agenticai-{name}-local")["QueueUrl"]
"""


@pytest.fixture(scope="module")
def system() -> Iterator[LocalSystem]:
    """Up, as the documentation says, with an image that is built for it; down at the end."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        made = LocalSystem(Path(folder), f"localsystem{os.getpid()}", port)
        with made.engine():
            try:
                made.compose("build")
                started_at = time.monotonic()
                made.compose("up", "--detach")
                print(f"\nup in {time.monotonic() - started_at:.1f} s")  # noqa: T201
                yield made
            finally:
                made.compose("down", "--volumes")


@pytest.fixture
def client(system: LocalSystem) -> Iterator[ClientConnection]:
    """A client on this machine, as soon as the gateway's port answers."""
    deadline = time.monotonic() + local_system.START_TIMEOUT_S
    opened = None
    while opened is None:
        try:
            opened = connect(f"ws://127.0.0.1:{system.port}/ws?project_id=p", open_timeout=PATIENCE_S)
        except OSError:
            assert time.monotonic() < deadline, system.podman("logs", system.container("gateway"))
            time.sleep(0.1)
    with opened:
        yield opened


def message(client: ClientConnection, wanted: str) -> dict[str, Any]:
    """The next message of this type."""
    while True:
        received: dict[str, Any] = json.loads(client.recv(timeout=PATIENCE_S))
        if received["type"] == wanted:
            return received


def test_every_service_becomes_healthy(system: LocalSystem) -> None:
    """By the checks of the file: the emulator, then its queues and table, then the gateway."""
    deadline = time.monotonic() + local_system.START_TIMEOUT_S
    for service in ("emulator", "resources", "gateway"):
        while system.state(service)["Health"]["Status"] != "healthy":
            assert time.monotonic() < deadline, system.state(service)
            time.sleep(0.2)


def test_a_task_of_a_client_outside_reaches_the_queue(system: LocalSystem, client: ClientConnection) -> None:
    """Greeted, confirmed, and there: in the queue of the emulator, with the data that was sent."""
    assert message(client, "connected")["protocol"] == 1
    command = {"action": "forward", "type": "dev", "project_id": "p", "data": {"text": "from outside"}}
    client.send(json.dumps(command))
    sent = message(client, "forward_confirmed")
    read = 'print(json.dumps([m["Body"] for m in sqs.receive_message(QueueUrl=url)["Messages"]]))'
    (body,) = json.loads(system.python("emulator", QUEUE.format(name="dev") + read))
    task = json.loads(body)
    assert (task["message_id"], task["data"]) == (sent["message_id"], {"text": "from outside"})


def test_an_update_of_an_agent_reaches_the_client(system: LocalSystem, client: ClientConnection) -> None:
    """Through the queue of updates and the log in the table."""
    message(client, "subscription_confirmed")
    send = 'sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"project_id": "p", "type": "qa_results"}))'
    system.python("emulator", QUEUE.format(name="updates") + send)
    assert message(client, "qa_results")["offset"] == 1


def test_the_emulator_has_no_way_out(system: LocalSystem) -> None:
    """Its network is internal: an address of the internet has no route. Neither has it a port on this machine."""
    code = (
        "import socket\n"
        "try: socket.create_connection(('192.0.2.1', 443), 5); print('reached')\n"
        "except OSError as error: print(error.strerror)"
    )
    assert system.python("emulator", code) == "Network is unreachable"
    assert system.podman("port", system.container("emulator")) == ""


def test_the_gateway_is_locked_down(system: LocalSystem) -> None:
    """Not root, no capability, nothing writable, 512 MB: as the file says, and as the engine did it."""
    container = system.container("gateway")
    (facts,) = json.loads(system.podman("inspect", container))
    assert facts["HostConfig"]["Memory"] == 512 * 1024 * 1024
    assert facts["HostConfig"]["ReadonlyRootfs"] is True
    assert facts["EffectiveCaps"] in (None, [])
    assert system.python("gateway", "import os; print(os.getuid())") == "10001"


def test_stopping_hands_the_client_over(system: LocalSystem, client: ClientConnection) -> None:
    """The last test: told to reconnect, and the process ends with 0."""
    message(client, "connected")
    system.compose("stop", "gateway")
    assert message(client, "reconnect")["reason"] == "draining"
    assert system.state("gateway")["ExitCode"] == 0
