"""Both places that serve the API of SQS on this machine, each with one client for all tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from demo.testing import Emulator
from websocket_handler.cli.dev.sqs_server import serving


@pytest.fixture(scope="session")
def dev_url() -> Iterator[str]:
    """The SQS of `websocket-handler dev`, on an event loop in a thread."""
    started, urls = threading.Event(), list[str]()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        end = asyncio.Event()
        stopping_now.append(end)
        async with serving("127.0.0.1", 0, "us-east-1") as sqs:
            loops.append(asyncio.get_running_loop())
            urls.append(sqs.url)
            started.set()
            await end.wait()

    stopping_now: list[asyncio.Event] = []
    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    started.wait()
    yield urls[0]
    loops[0].call_soon_threadsafe(stopping_now[0].set)
    thread.join()


@pytest.fixture(scope="session")
def dev_sqs(dev_url: str) -> Iterator[Any]:
    """boto3 on the queues of dev."""
    client = Emulator(dev_url).client("sqs")
    yield client
    client.close()


@pytest.fixture(scope="session")
def emulator_sqs(emulator_process: Emulator) -> Iterator[Any]:
    """boto3 on the demo's emulator."""
    client = emulator_process.client("sqs")
    yield client
    client.close()


@pytest.fixture(params=["dev", "emulator"])
def sqs(request: pytest.FixtureRequest) -> Any:
    """boto3 on one of the two."""
    return request.getfixturevalue(f"{request.param}_sqs")


@pytest.fixture
def other_url(sqs: Any) -> str:
    """A second standard queue."""
    return str(sqs.create_queue(QueueName=f"other-{uuid4().hex}")["QueueUrl"])
