"""A real Chromium: the documented snippet, and the console page through work, updates and a crash."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from demo.resources import AGENTS, create_resources
from demo.testing import running_emulator
from tests.e2e.browser import Page
from tests.support.gateway import REPOSITORY, Gateway, clean_environment, off_loop, running_gateway
from tests.support.links import new_project
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio(loop_scope="session")


SNIPPET: Final = """
new Promise((resolve) => {
  const received = [];
  const ws = new WebSocket('ws://localhost:PORT/ws?project_id=proj_123');
  ws.onmessage = (event) => {
    received.push(JSON.parse(event.data));
    if (received.length === 3) resolve(received);
  };
  ws.onopen = () => ws.send(JSON.stringify({action: 'ping'}));
})
"""


@pytest.fixture(scope="module")
def own_settings() -> Iterator[dict[str, str]]:
    """Queues and a table of which no other gateway knows, with the demo's agents behind the queues."""
    with ExitStack() as stack:
        emulator = stack.enter_context(running_emulator())
        settings = create_resources(emulator.url)
        for agent in AGENTS:
            process = subprocess.Popen(
                [sys.executable, "-m", "demo.agent", agent],
                cwd=REPOSITORY,
                env=clean_environment(settings),
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait, PATIENCE_S)
            stack.callback(process.terminate)
        yield settings


def screenshots(tmp_path: Path) -> Path:
    """Where pictures go: the folder of the variable E2E_SCREENSHOTS, else one that pytest keeps for a while."""
    folder = Path(os.environ.get("E2E_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def screenshot(page: Page, path: Path) -> None:
    """Save a picture of the page."""
    await asyncio.to_thread(path.write_bytes, await page.screenshot())


async def test_the_documented_snippet_works(gateway: Gateway, page: Page) -> None:
    """Typed into the console of any page: `connected`, the confirmation of the URL's project, and `pong`."""
    await page.go_to(f"{gateway.base_url}/health")

    received = await page.run(SNIPPET.replace("PORT", str(gateway.port)))

    assert received[0]["type"] == "connected"
    assert {message["type"] for message in received[1:]} == {"subscription_confirmed", "pong"}


async def forward(page: Page, agent: str, project_id: str, task: str) -> None:
    """Send work as a person does, and wait for the receipt."""
    await page.until(
        f"[...document.querySelectorAll('#forward-project option')].some((o) => o.value === '{project_id}')"
    )
    await page.run(f"document.querySelector('#agent').value = '{agent}'")
    await page.run(f"document.querySelector('#forward-project').value = '{project_id}'")
    await page.fill("#task", task)
    await page.click("#send")
    await page.until("document.querySelector('#forwards li')?.dataset.status === 'confirmed'")


def shown(project_id: str) -> str:
    """The rows of a project, in JavaScript."""
    return f"[...document.querySelectorAll('#updates .update[data-project=\"{project_id}\"]')]"


def results(project_id: str, count: int) -> str:
    """True if so many pieces of work went through to QA's verdict."""
    is_verdict = "(row) => row.querySelector('.type').textContent === 'qa_results'"
    return f"{shown(project_id)}.filter({is_verdict}).length === {count}"


async def test_the_console_survives_a_crash_of_the_gateway(
    own_settings: dict[str, str], page: Page, tmp_path: Path
) -> None:
    """Subscribe, send work, watch it; the gateway is killed and comes back: nothing lost, nothing doubled."""
    project_id, pictures = new_project(), screenshots(tmp_path)
    async with off_loop(running_gateway(own_settings)) as first:
        port = first.port
        await page.go_to(f"{first.base_url}/")
        await page.until("document.querySelector('#state').dataset.state === 'live'")
        await page.fill("#project-input", project_id)
        await page.click("#subscribe")
        await page.until(f"document.querySelector('[data-project=\"{project_id}\"]')?.dataset.status === 'live'")
        await page.until(f"document.getElementById('presence-{project_id}').textContent === '1'")
        await forward(page, "dev", project_id, "Build a login page")
        await page.until(results(project_id, 1))
        await screenshot(page, pictures / "console-live.png")
        await forward(page, "dev", project_id, "Now with a dark mode")
        await page.until(f"{shown(project_id)}.some((row) => row.textContent.includes('dark mode'))")
        first.kill()
        await page.until("document.querySelector('#state').dataset.state === 'reconnecting'")
        await screenshot(page, pictures / "console-reconnecting.png")

    async with off_loop(running_gateway(own_settings, WEBSOCKET_PORT=str(port))) as second:
        await page.until("document.querySelector('#state').dataset.state === 'live'")
        await page.until(results(project_id, 2), timeout_s=PATIENCE_S)
        await page.until(f"document.getElementById('presence-{project_id}').textContent === '1'")
        await screenshot(page, pictures / "console-recovered.png")
        _, body = await asyncio.to_thread(second.get, f"/api/v1/projects/{project_id}/messages?limit=1000")
        offsets = await page.run(f"{shown(project_id)}.map((row) => Number(row.dataset.offset))")
        counters = [await page.text(f"#{name}") for name in ("lost", "doubled", "resets")]
        await page.until("document.querySelector('#newest').hidden")
        await page.go_to("about:blank")

    head = json.loads(body)["offset"]
    assert counters == ["0", "0", "0"]
    assert offsets == list(range(1, head + 1))


async def test_the_console_shows_when_an_update_was_published(gateway: Gateway, page: Page) -> None:
    """Not when it arrived in this window. An update that brings a time of its own is shown with that one."""
    project_id, route = new_project(), "/api/v1/projects/{}/messages"
    await page.go_to(f"{gateway.base_url}/?project_id={project_id}")
    await page.until(f"document.querySelector('[data-project=\"{project_id}\"]')?.dataset.status === 'live'")
    updates = [{"n": 1}, {"timestamp": "2026-11-22T20:00:00.123Z"}, {"published_at": 1795377601456}]
    strange = [{"published_at": "soon"}, {"published_at": 1e300}]
    request = f"{{method: 'POST', body: JSON.stringify({json.dumps(updates + strange)})}}"
    assert await page.run(f"fetch('{route.format(project_id)}', {request}).then((r) => r.status)") == 200
    await page.until(f"{shown(project_id)}.length === 5")

    times = await page.run(f"{shown(project_id)}.map((row) => Date.parse(row.querySelector('time').dateTime))")
    summary = await page.text("#updates .summary")
    _, body = await asyncio.to_thread(gateway.get, route.format(project_id))

    assert times[0] == json.loads(body)["messages"][0]["published_at"]
    assert times[1:3] == [1795377600123, 1795377601456]
    assert all(abs(shown_ms - times[0]) < 1000 * PATIENCE_S for shown_ms in times[3:]), "the time of receipt"
    assert summary == "n: 1"
    await page.go_to("about:blank")


async def test_the_console_shows_markup_as_text(gateway: Gateway, page: Page) -> None:
    """What a publisher writes is never part of the page; broadcasts have their own place."""
    project_id = new_project()
    hostile = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
    await page.go_to(f"{gateway.base_url}/?project_id={project_id}")
    await page.until(f"document.querySelector('[data-project=\"{project_id}\"]')?.dataset.status === 'live'")

    for path, body in (
        (f"/api/v1/projects/{project_id}/messages", {"type": hostile, "text": hostile}),
        ("/api/v1/broadcast", {"type": hostile, "text": hostile}),
    ):
        await page.run(
            f"fetch('{path}', {{method: 'POST', body: JSON.stringify({json.dumps(body)})}}).then((r) => r.status)"
        )
    await page.until(f"{shown(project_id)}.length === 1 && document.querySelector('#broadcasts .bar')")

    assert hostile in await page.text("#updates")
    assert hostile in await page.text("#broadcasts")
    assert await page.run("document.querySelectorAll('#updates img, #broadcasts img').length") == 0
    assert await page.run("document.title") == "websocket_handler console"
    await page.go_to("about:blank")
