"""What the tests with a gateway process share: an emulator of their own, and clients that are closed at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from demo.resources import create_resources
from demo.testing import Emulator
from tests.support.emulators import emulator_process  # noqa: F401 - the tests use this fixture
from tests.support.gateway import Gateway
from tests.support.links import Client, Open, PythonLink, open_client


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
