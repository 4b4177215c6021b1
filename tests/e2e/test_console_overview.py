"""The console's overview: what the node tells about itself, with its past, under the page's policy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.browser import Browser
from tests.e2e.consoles import Console, opened
from tests.support.gateway import Gateway, running_gateway
from tests.support.links import Open, new_project
from tests.support.tokens import GUARDED, token
from websocket_handler.protocol.names import OWN_LOG

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHARTS: Final = "document.querySelectorAll('.chart .uplot canvas').length"


@pytest.fixture(scope="module")
def guarded(settings: dict[str, str]) -> Iterator[Gateway]:
    """A gateway with `AUTH_MODE=jwt`."""
    with running_gateway(settings, **{**GUARDED, "ALLOWED_ORIGINS": "", "SQS_QUEUE_URL_UPDATES": ""}) as running:
        yield running


async def test_the_overview_has_rates_and_errors_and_keeps_them_over_a_reload(console: Console) -> None:
    """Charts are loaded when they are shown, and not before. After a reload the past is there at once."""
    project_id, page = new_project(), console.page
    loaded = "performance.getEntriesByType('resource').some(({name}) => name.includes('uPlot'))"
    await console.open()
    await console.state("live")
    assert not await page.run(loaded)
    await console.open("console/overview")
    await page.until(f"{CHARTS} === 4")
    assert await page.run(loaded)
    body = json.dumps(json.dumps([{"type": "note", "n": n} for n in range(50)]))
    path = f"/api/v1/projects/{project_id}/messages"
    assert await page.run(f"fetch('{path}', {{method: 'POST', body: {body}}}).then((r) => r.status)") == 200
    assert await page.run("fetch('/api/v1/projects/no%20id/presence').then((r) => r.status)") == 400
    assert await page.run("fetch('/api/v1/rebalance', {method: 'POST'}).then((r) => r.status)") == 202
    await page.until("document.querySelector('[data-code=invalid_project_id]')")
    await page.until("document.querySelector('#actions')?.textContent.includes('rebalance')")
    await page.run("[...document.querySelectorAll('button')].find((b) => b.textContent === 'As a table').click()")
    await page.until("document.querySelector('[aria-label=\"The charts as numbers\"] tbody tr')")
    await console.shown_to_everybody("console-overview")
    await console.open("console/overview")
    await page.until("document.querySelector('[data-code=invalid_project_id]')")
    await page.until("document.querySelector('#actions')?.textContent.includes('rebalance')")


async def test_who_is_no_operator_is_told_so(browser: Browser, guarded: Gateway, tmp_path: Path) -> None:
    """The log of the node is no project: a token for all projects does not open it."""
    async with opened(browser, guarded, tmp_path) as console:
        await console.open("console/overview")
        await console.panel("needed")
        await console.enter(token(projects=["*"], rights=["subscribe", "presence", "publish"]))
        await console.state("live")
        await console.page.until("document.querySelector('.page .problem')?.textContent.includes('right admin')")


async def test_a_client_that_follows_the_node_gets_a_report_each_second(open_python: Open) -> None:
    """Without the console, with any client."""
    client = await open_python(OWN_LOG)
    assert (await client.next())["type"] == "subscription_confirmed"
    first, second = await client.next(), await client.next()
    assert (first["type"], second["offset"]) == ("node", first["offset"] + 1)
    refused = await client.request("publish", project_id=OWN_LOG, message={"type": "node"})
    assert refused["code"] == "forbidden"
