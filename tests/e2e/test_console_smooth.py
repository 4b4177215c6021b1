"""The console's log takes many updates: the page keeps few elements and little memory. `make console-smooth` does it
with 10,000, and measures that no task of the page takes 50 ms of processor time; a busy machine makes each longer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.e2e.browser import Browser
from tests.e2e.consoles import Console, opened
from tests.support.gateway import Gateway, running_gateway
from tests.support.links import new_project

pytestmark = pytest.mark.asyncio(loop_scope="session")

UPDATES: Final = int(os.environ.get("CONSOLE_UPDATES", "2000"))
TASK_MS_MAX: Final = float(os.environ.get("CONSOLE_TASK_MS_MAX", "inf"))
ELEMENTS_MAX: Final = 3000
HEAP_BYTES_MAX: Final = 96 * 1024 * 1024
ROWS: Final = "[...document.querySelectorAll('#updates .update')]"


@pytest.fixture(scope="module")
def roomy(settings: dict[str, str]) -> Iterator[Gateway]:
    """A gateway that keeps all of them."""
    more = {"HISTORY_MESSAGES": str(UPDATES), "HISTORY_BYTES": "16777216", "LOG_STORE": "memory"}
    with running_gateway(settings, **more, SQS_QUEUE_URL_UPDATES="") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def console(browser: Browser, roomy: Gateway, tmp_path: Path) -> AsyncIterator[Console]:
    """Its console in a new tab."""
    async with opened(browser, roomy, tmp_path) as page:
        yield page


def longest_task_ms(trace: list[dict[str, Any]]) -> float:
    """The processor time of the longest task of a page's main thread. What other programs do does not count."""
    pages = {
        (event["pid"], event["tid"])
        for event in trace
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks: list[float] = [
        event["tdur"] / 1000
        for event in trace
        if event["name"].endswith("RunTask") and "tdur" in event and (event["pid"], event["tid"]) in pages
    ]
    assert tasks, "the trace has no tasks of a page"
    return max(tasks)


async def fill(console: Console, project_id: str) -> None:
    """Publish all updates, a hundred at a time."""
    for begin in range(1, UPDATES + 1, 100):
        batch = [{"type": "dev_progress", "text": f"step {n}", "n": n} for n in range(begin, begin + 100)]
        assert await console.ask("POST", f"/api/v1/projects/{project_id}/messages", batch) == 200


async def test_many_updates_come_in_and_are_scrolled_through(console: Console) -> None:
    """All of them live, then from the newest to the oldest and back; the filter is left out: it looks at each row."""
    project_id, page = new_project(), console.page
    await console.open(f"?project_id={project_id}")
    await console.chip(project_id, "live")
    async with page.traced():
        await fill(console, project_id)
        await page.until(f"{ROWS}.at(-1)?.dataset.offset === '{UPDATES}'")
    coming_ms = longest_task_ms(page.trace)
    scroll = (
        "new Promise((done) => { const list = document.querySelector('#updates'); let left = 240; let way = -1;"
        " const step = () => { list.scrollTop += way * list.scrollHeight / 120; left -= 1; if (left === 120) way = 1;"
        " if (left > 0) requestAnimationFrame(step); else done(true); }; step(); })"
    )
    async with page.traced():
        assert await page.run(scroll)
    scrolling_ms = longest_task_ms(page.trace)
    elements = await page.run("document.querySelectorAll('*').length")
    await page.call("HeapProfiler.collectGarbage")
    heap_bytes = (await page.call("Runtime.getHeapUsage"))["usedSize"]
    figures = f"coming {coming_ms:.1f} ms, scrolling {scrolling_ms:.1f} ms, {elements} elements, {heap_bytes} bytes"
    await asyncio.to_thread(print, figures)
    assert max(coming_ms, scrolling_ms) < TASK_MS_MAX, figures
    assert elements < ELEMENTS_MAX, figures
    assert heap_bytes < HEAP_BYTES_MAX, figures
