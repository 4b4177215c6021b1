"""The console's pages for operators: connections and their end, projects, nodes and their drain."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.e2e.browser import Browser
from tests.e2e.consoles import Console, opened
from tests.support.gateway import Gateway, running_gateway
from tests.support.links import Open, new_project
from tests.support.tokens import GUARDED, token
from tests.support.valkeys import running_valkey

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = {
    "o": "Overview",
    "r": "Runs",
    "a": "Approvals",
    "p": "Projects",
    "c": "Connections",
    "q": "Queues",
    "t": "Agents",
    "n": "Nodes",
    "l": "Updates",
}
"""The letter after `g`, and the title of the page. The log comes last: the test goes on there."""


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


async def test_an_operator_sees_when_tokens_end(browser: Browser, settings: dict[str, str], tmp_path: Path) -> None:
    """In the last minute in red. A new token moves the end."""
    with running_gateway(settings, **{**GUARDED, "ALLOWED_ORIGINS": "", "SQS_QUEUE_URL_UPDATES": ""}) as gateway:
        async with opened(browser, gateway, tmp_path) as console:
            page = console.page
            await console.open("console/connections")
            await console.panel("needed")
            await console.enter(
                token(sub="root", projects=["*"], rights=["admin", "subscribe"], exp=time.time() + 7200)
            )
            await console.state("live")
            bearer = {"Authorization": f"Bearer {token(sub='ada', exp=time.time() + 50)}"}
            async with connect(f"ws://127.0.0.1:{gateway.port}/ws", additional_headers=bearer) as client:
                row = (
                    "[...document.querySelectorAll('[data-connection]')].find((row) => row.textContent.includes('ada'))"
                )
                await page.until(f"{row}?.querySelector('td .bad')?.textContent.startsWith('in ')")
                await console.shown_to_everybody("console-tokens")
                renewed = {"action": "authenticate", "token": token(sub="ada", exp=time.time() + 3600)}
                await client.send(json.dumps(renewed))
                await page.until(f"{row}?.querySelector('td .bad') === null && {row}.textContent.includes('in 59 min')")


async def test_projects_are_found_without_their_names(console: Console, open_python: Open) -> None:
    """With how many follow each, and the ways to its log and its runs."""
    project_id, page = new_project(), console.page
    for _ in range(2):
        await open_python(project_id)
    await console.open("console/projects")
    row = f"document.querySelector('[data-project={json.dumps(project_id)}]')"
    await page.until(f"{row}?.querySelectorAll('td')[0].textContent === '2'")
    await console.shown_to_everybody("console-projects")
    await page.run(f"{row}.querySelector('th a').click()")
    await page.until(f"location.pathname === '/p/{project_id}'")
    await console.chip(project_id, "live")


@pytest.fixture(scope="module")
def two_nodes(settings: dict[str, str]) -> Iterator[tuple[Gateway, Gateway]]:
    """Two processes that know of each other."""
    with running_valkey() as valkey:
        where = {"LOG_STORE": "valkey", "BACKPLANE": "valkey", "VALKEY_URL": f"redis://127.0.0.1:{valkey.port}"}
        shared = {**settings, **where, "SQS_QUEUE_URL_UPDATES": ""}
        with running_gateway(shared, NODE_ID="a") as one, running_gateway(shared, NODE_ID="b") as two:
            yield one, two


async def test_a_node_drains_after_a_look_at_what_happens(
    browser: Browser, two_nodes: tuple[Gateway, Gateway], tmp_path: Path
) -> None:
    """Before that, the page says how many clients move where. The node that drains hands this page over."""
    async with opened(browser, two_nodes[0], tmp_path) as console:
        page = console.page
        await console.open("console/nodes")
        await page.until("document.querySelector('[data-node=b]')?.textContent.includes('takes clients')")
        await page.run("document.querySelector('[data-node=b] button').click()")
        await page.until("document.querySelector('[data-node=b]').textContent.includes('move to 1 other node')")
        await console.shown_to_everybody("console-nodes")
        await page.run("document.querySelector('[data-node=b] .danger').click()")
        await page.until("document.querySelector('#node-said').textContent === 'b drains.'")
        await page.until("document.querySelector('[data-node=b]').textContent.includes('drains')")


async def test_two_keys_go_to_each_page(console: Console) -> None:
    """`g` and the page's letter, as the list of keys says. Another letter after `g` goes nowhere, and in a field both
    are text."""
    page = console.page
    await console.open()
    await console.state("live")
    listed = await page.run("[...document.querySelectorAll('#keys kbd')].map((key) => key.textContent)")
    assert sorted(keys for keys in listed if keys.startswith("g ")) == sorted(f"g {letter}" for letter in PAGES)
    for letter, title in PAGES.items():
        await console.press("g")
        await console.press(letter)
        await page.until(f"document.querySelector('main h1')?.textContent.startsWith('{title}')")
        path = "/" if letter == "l" else f"/console/{title.lower()}"
        assert await page.run("location.pathname") == path
    for key in ("g", "x", "a"):
        await console.press(key)
    assert await page.run("location.pathname") == "/", "x ends it"
    await page.run("document.querySelector('#filter').focus()")
    for key in ("g", "a"):
        await console.press(key)
    assert await page.run("[location.pathname, document.querySelector('#filter').value]") == ["/", "ga"]


async def test_a_node_alone_has_nowhere_to_send_its_clients(console: Console) -> None:
    await console.open("console/nodes")
    await console.page.until("document.querySelector('#alone')")
    assert await console.page.run("document.querySelector('[data-node]') === null")


async def test_a_read_only_console_shows_everything_and_offers_no_action(
    browser: Browser, settings: dict[str, str], tmp_path: Path
) -> None:
    """`CONSOLE=read`: no form for work, no button that ends or moves something. `off` serves nothing at all."""
    with running_gateway(settings, CONSOLE="read", SQS_QUEUE_URL_UPDATES="") as gateway:
        async with opened(browser, gateway, tmp_path) as console:
            page, project_id = console.page, new_project()
            await console.open(f"?project_id={project_id}")
            await console.chip(project_id, "live")
            await console.publish(project_id, {"text": "hello"})
            await console.updates(project_id, 1)
            assert await page.text("#read-only") == "read only"
            assert await page.run("document.querySelector('.side, #task, #send') === null")
            await console.shown_to_everybody("console-read-only")
            await console.open("console/connections")
            await page.until("document.querySelector('[data-connection]')")
            assert await page.run("document.querySelector('[data-connection] button') === null")
            names = {"threadId": project_id, "runId": "run-1", "agent": "dev"}
            outcome = {"type": "interrupt", "interrupts": [{"id": "i-1", "reason": "confirm"}]}
            await console.publish(project_id, {"type": "RUN_STARTED", **names})
            await console.publish(project_id, {"type": "RUN_FINISHED", **names, "outcome": outcome})
            await console.open(f"console/approvals?project_id={project_id}")
            await page.until("document.querySelector('[data-interrupt=i-1]')")
            assert await page.run(
                "document.querySelector('[data-interrupt=i-1]').querySelector('input, button') === null"
            )
            path = f"/api/v1/projects/{project_id}/interrupts/i-1"
            assert await console.ask("POST", path, {"payload": True}) == 200, "the API stays as it is"
