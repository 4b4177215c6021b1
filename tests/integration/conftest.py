"""What the tests with a gateway process share: an emulator of their own, and clients that are closed at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from demo.resources import create_resources
from demo.testing import Emulator, running_emulator
from tests.e2e.gateway import Gateway
from tests.e2e.links import Client, PythonLink, open_client

Open = Callable[..., Awaitable[Client]]


@pytest.fixture(scope="module")
def module_emulator() -> Iterator[Emulator]:
    """One emulator process per file."""
    with running_emulator() as running:
        yield running


@pytest.fixture
def emulator(module_emulator: Emulator) -> Iterator[Emulator]:
    """The emulator. Faults that a test makes end with the test."""
    yield module_emulator
    module_emulator.clear_faults()


@pytest.fixture
def settings(emulator: Emulator) -> dict[str, str]:
    """The gateway's environment, with queues and table in place."""
    return create_resources(emulator.url)


@pytest_asyncio.fixture
async def open_on() -> AsyncIterator[Open]:
    """Opens clients on a gateway; they are closed at the end."""
    async with AsyncExitStack() as stack:

        async def open_one(gateway: Gateway, *projects: str, since: str | None = None) -> Client:
            client = await open_client(PythonLink.connect, gateway.ws_url, *projects, since=since)
            stack.push_async_callback(client.close)
            return client

        yield open_one
