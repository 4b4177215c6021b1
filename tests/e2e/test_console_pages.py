"""The console's pages beside the log: who is connected, and the end of a connection."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.browser import Browser
from tests.e2e.consoles import Console, opened
from tests.support.gateway import Gateway
from tests.support.links import Open, new_project

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def console(browser: Browser, gateway: Gateway, tmp_path: Path) -> AsyncIterator[Console]:
    """The console of an open gateway."""
    async with opened(browser, gateway, tmp_path) as page:
        yield page


async def test_an_operator_sees_connections_and_ends_one(console: Console, open_python: Open) -> None:
    """After a question. The client gets 4500, and its row is gone."""
    project_id, page = new_project(), console.page
    client = await open_python(project_id)
    connection_id = client.greeting["connection_id"]
    row = f"document.querySelector('[data-connection={json.dumps(connection_id)}]')"
    await console.open("console/connections")
    await page.until(f"{row}?.textContent.includes('{project_id}')")
    await page.run(f"{row}.querySelector('button').click()")
    await page.until(f"{row}.textContent.includes('For good?')")
    await console.shown_to_everybody("console-connections")
    await page.run(f"{row}.querySelector('.danger').click()")
    assert (await client.closed()).code == 4500
    await page.until(f"{row} === null")
