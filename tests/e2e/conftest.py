"""One emulator, one gateway and one of each client program for all end-to-end tests."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from demo.resources import create_resources
from demo.testing import Emulator
from tests.e2e.browser import Browser, Page, running_browser
from tests.e2e.consoles import Console, opened
from tests.e2e.direct import why_direct
from tests.support.api import Http
from tests.support.emulators import emulator_for_folder
from tests.support.gateway import Gateway, running_gateway
from tests.support.links import (
    Client,
    Connect,
    Open,
    PythonLink,
    RemoteDriver,
    new_project,
    open_client,
    running_node_driver,
)
from tests.support.patience import PATIENCE_S
from tests.support.publications import SOME_TIME

emulator_process = emulator_for_folder()


@pytest.fixture(scope="session")
def settings(emulator_process: Emulator) -> dict[str, str]:
    """The gateway's environment, with queues and table in place."""
    return create_resources(emulator_process.url)


@pytest.fixture(scope="session")
def gateway(settings: dict[str, str]) -> Iterator[Gateway]:
    """A gateway with its limits at their defaults."""
    with running_gateway(settings, PING_INTERVAL_S="25") as running:
        yield running


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Behind a proxy, leave out what the proxy itself answers (`direct`)."""
    if proxy := os.environ.get("THROUGH"):
        left_out = [item for item in items if why_direct(item.nodeid.removeprefix("tests/e2e/"), proxy)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def node_driver() -> AsyncIterator[RemoteDriver]:
    """npm `ws`."""
    async with running_node_driver() as driver:
        yield driver


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with running_browser() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A new tab that breaks no policy and throws nothing."""
    page = await browser.new_page()
    yield page
    assert page.problems == []
    await page.call("Page.close")


@pytest_asyncio.fixture(loop_scope="session")
async def console(browser: Browser, gateway: Gateway, tmp_path: Path) -> AsyncIterator[Console]:
    """The console of an open gateway, in a new tab."""
    async with opened(browser, gateway, tmp_path) as console:
        yield console


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser_driver(browser: Browser, gateway: Gateway) -> RemoteDriver:
    """The WebSockets of a page that the gateway served."""
    page = await browser.new_page()
    await page.go_to(f"{gateway.base_url}/health")
    return await page.websocket_driver()


@pytest.fixture(params=["websockets", "ws", "chromium"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """Each of the independent clients in turn."""
    if request.param == "websockets":
        return PythonLink.connect
    driver: RemoteDriver = request.getfixturevalue("node_driver" if request.param == "ws" else "browser_driver")
    return driver.connect


@pytest_asyncio.fixture(loop_scope="session")
async def open_any(gateway: Gateway, connect: Connect) -> AsyncIterator[Open]:
    """Opens clients of the kind that is being tested; they are closed at the end."""
    async with AsyncExitStack() as stack:
        yield _opener(stack, connect, gateway)


@pytest_asyncio.fixture(loop_scope="session")
async def open_python(gateway: Gateway) -> AsyncIterator[Open]:
    """Opens clients with Python's `websockets`; they are closed at the end."""
    async with AsyncExitStack() as stack:
        yield _opener(stack, PythonLink.connect, gateway)


def _opener(stack: AsyncExitStack, connect: Connect, gateway: Gateway) -> Open:
    async def open_one(*projects: str, since: str | None = None, url: str | None = None) -> Client:
        client = await open_client(connect, url or gateway.ws_url, *projects, since=since)
        stack.push_async_callback(client.close)
        return client

    return open_one


@pytest_asyncio.fixture(loop_scope="session")
async def api(gateway: Gateway) -> AsyncIterator[Http]:
    """The gateway's HTTP API."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(gateway.base_url, timeout=timeout, trust_env=False) as session:
        yield Http(session)


@pytest_asyncio.fixture(loop_scope="session")
async def bystander(open_python: Open) -> AsyncIterator[Client]:
    """Somebody who follows a project, and at the end got what is published to it and nothing else."""
    project_id = new_project()
    client = await open_python(project_id)
    await client.next()
    yield client
    assert (await client.publish(project_id, {"still": "here"}))["offset"] == 1
    assert await client.next() == {"still": "here", "project_id": project_id, "offset": 1, "published_at": SOME_TIME}
    assert await client.nothing_is_left()


@pytest.fixture(scope="session")
def small_gateway(settings: dict[str, str]) -> Iterator[Gateway]:
    """A gateway where every limit is in reach of a test."""
    limits = {
        "MAX_CONNECTIONS": "3",
        "MAX_SUBSCRIPTIONS": "2",
        "MAX_PROJECTS": "3",
        "COMMANDS_PER_SECOND": "10",
        "LOG_STORE": "memory",
        "CONSOLE": "off",
        "SQS_QUEUE_URL_UPDATES": "",
    }
    with running_gateway({**settings, **limits}) as running:
        yield running
