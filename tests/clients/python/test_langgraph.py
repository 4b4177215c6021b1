"""The LangGraph agent of the examples at work: a process with its own locked packages, a gateway, and an SQS queue."""

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from demo.resources import create_resources
from demo.testing import Emulator
from tests.support.documents import ROOT
from tests.support.gateway import Gateway, clean_environment, running_gateway
from tests.support.patience import PATIENCE_S
from websocket_handler_client import Client, Update

PYTHON: Final = ROOT / ".venv-langgraph" / "bin" / "python"
EXAMPLE: Final = ROOT / "clients" / "python" / "examples" / "langgraph" / "langgraph_agent.py"
pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="LangGraph is not in .venv-langgraph: make sdk-python-langgraph installs it"
)


@contextmanager
def working(settings: dict[str, str], gateway: Gateway) -> Iterator[None]:
    """The agent, which has to end with exit code 0 on SIGTERM."""
    environment = clean_environment({**settings, "WEBSOCKET_HANDLER_URL": gateway.base_url})
    with subprocess.Popen([PYTHON, EXAMPLE], env=environment) as process:
        try:
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()


async def follow_a_task(gateway: Gateway) -> list[Update]:
    """Send a task, and read until its result."""
    seen: list[Update] = []
    async with asyncio.timeout(PATIENCE_S), Client(gateway.ws_url) as client:
        updates = client.project("proj_langgraph").updates()
        sent = await client.forward("dev", {"task": "Build a login page"}, project="proj_langgraph")
        async for update in updates:
            assert update["task_id"] == sent.message_id
            seen.append(update)
            if update.type == "dev_result":
                break
    return seen


def test_a_graph_streams_its_models_answer(emulator: Emulator) -> None:
    settings = create_resources(emulator.url)
    with running_gateway(settings) as gateway, working(settings, gateway):
        seen = asyncio.run(follow_a_task(gateway))
    pieces = [update["delta"] for update in seen if update.type == "TEXT_MESSAGE_CONTENT"]
    assert [seen[0].type, seen[1].type, seen[-2].type] == ["dev_accepted", "TEXT_MESSAGE_START", "TEXT_MESSAGE_END"]
    assert len(pieces) > 3
    assert "".join(pieces) == "The login page is ready."
    assert seen[-1]["files"] == 3
    queue = emulator.client("sqs")
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    left = queue.get_queue_attributes(QueueUrl=settings["SQS_QUEUE_URL_DEV"], AttributeNames=names)["Attributes"]
    assert set(left.values()) == {"0"}
    queue.close()
