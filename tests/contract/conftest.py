"""One emulator process for all contract tests, and the clients that talk to it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from uuid import uuid4

import botocore.session
import pytest
import pytest_asyncio

from demo.resources import DUMMY_CREDENTIALS, TABLE_NAME
from demo.testing import Emulator
from tests.support.clock import SteeredClock
from tests.support.ecs_agent import EcsAgent, running_ecs_agent
from tests.support.emulators import NewAws, emulator_for_folder
from tests.support.ports_testing import Tasks
from tests.support.valkeys import Valkeys, running_valkeys
from websocket_handler.adapters.aws.sdk import Aws

emulator_process = emulator_for_folder()


@pytest.fixture(scope="session", autouse=True)
def _service_descriptions() -> Iterator[None]:
    """The SDK reads its descriptions of the services once, and not again for each test's clients."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))
        yield


@pytest.fixture(scope="session")
def valkeys() -> Iterator[Valkeys]:
    """One server of each kind, started by the first test that needs it."""
    with running_valkeys() as servers:
        yield servers


@pytest.fixture
def table_name(emulator: Emulator) -> str:
    return TABLE_NAME


@pytest.fixture
def clock() -> SteeredClock:
    return SteeredClock()


@pytest.fixture
def tasks() -> Tasks:
    return Tasks()


@pytest.fixture
def new_aws(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> NewAws:
    """Makes the clients under test, open before the first deadline runs."""
    for name, value in DUMMY_CREDENTIALS.items():
        monkeypatch.setenv(name, value)

    @asynccontextmanager
    async def running() -> AsyncIterator[Aws]:
        async with Aws("us-east-1", emulator.url) as clients:
            await clients.open("sqs")
            await clients.open("dynamodb")
            yield clients

    return running


@pytest_asyncio.fixture
async def aws(new_aws: NewAws) -> AsyncIterator[Aws]:
    """The clients under test, closed with the test."""
    async with new_aws() as clients:
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
