"""One emulator process for all contract tests, and the clients that talk to it."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from demo.resources import DUMMY_CREDENTIALS, TABLE_NAME
from demo.testing import Emulator
from tests.support.clock import SteeredClock
from tests.support.ecs_agent import EcsAgent, running_ecs_agent
from tests.support.emulators import emulator_for_each
from tests.support.ports_testing import Tasks
from websocket_handler.adapters.aws.sdk import Aws

emulator_process = emulator_for_each("session")


@pytest.fixture
def table_name(emulator: Emulator) -> str:
    return TABLE_NAME


@pytest.fixture
def clock() -> SteeredClock:
    return SteeredClock()


@pytest.fixture
def tasks() -> Tasks:
    return Tasks()


@pytest_asyncio.fixture
async def aws(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Aws]:
    """The clients under test, open before the first deadline runs, and closed with the test."""
    for name, value in DUMMY_CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    async with Aws("us-east-1", emulator.url) as clients:
        await clients.open("sqs")
        await clients.open("dynamodb")
        yield clients


@pytest.fixture
def sqs(emulator: Emulator) -> Iterator[Any]:
    """The other side of the queues: agents, through boto3."""
    client = emulator.client("sqs")
    yield client
    client.close()


@pytest.fixture
def dynamodb(emulator: Emulator) -> Iterator[Any]:
    """The other side of the table."""
    client = emulator.client("dynamodb")
    yield client
    client.close()


@pytest.fixture
def queue_url(sqs: Any) -> str:
    """A new standard queue."""
    return str(sqs.create_queue(QueueName=f"queue-{uuid4().hex}")["QueueUrl"])


@pytest.fixture
def fifo_url(sqs: Any) -> str:
    """A new FIFO queue."""
    attributes = {"FifoQueue": "true"}
    return str(sqs.create_queue(QueueName=f"queue-{uuid4().hex}.fifo", Attributes=attributes)["QueueUrl"])


@pytest.fixture
def agent(clock: SteeredClock) -> Iterator[EcsAgent]:
    """The endpoint; its protections expire by the test's clock."""
    with running_ecs_agent(clock.monotonic) as running:
        yield running
