"""The console with `websocket-handler dev --chaos`: failures are buttons, and what they cost stands below them."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser import Browser
from tests.e2e.consoles import Console, pictures
from tests.support.demo_process import started_dev

pytestmark = pytest.mark.asyncio(loop_scope="session")
KEPT = "lost 0 · doubled 0"
COST = f"/^Three clients: {KEPT} · out of order 0 · {{}}/.test(document.querySelector('#chaos-clients').textContent)"


async def test_failures_are_buttons_and_nothing_is_lost_or_doubled(browser: Browser, tmp_path: Path) -> None:
    """Of the clients that `dev` has for it, and of this page, which is cut off by its own button."""
    with started_dev("--chaos", settings={"LOG_LEVEL": "warning"}) as dev:
        dev.wait_until_it_runs()
        page = await browser.new_page()
        nobody: Any = None
        console = Console(page, nobody, pictures(tmp_path))
        await page.go_to(f"http://{dev.address}/console/chaos")
        await page.until("document.querySelectorAll('[data-verb]').length === 6")
        await page.click("[data-verb=cut]")
        await console.says("#chaos-said", "cut: over, and everybody has everything")
        await page.until(COST.format("reconnects [1-9]"))
        await page.fill("#chaos-seconds", "601")
        await page.click("[data-verb=stall]")
        await console.says("#chaos-said", "the seconds must be more than 0 and at most 600")
        await console.shown_to_everybody("console-chaos")
        await page.click("[data-verb=restart]")
        await console.says("#chaos-said", "restart: over, and everybody has everything")
        await page.until(COST.format("reconnects [1-9][0-9]* · new logs [1-9]"))
        assert await console.text("#chaos-page") == f"This page: {KEPT}"
        dev.wait_for("^restart: done$")
        assert page.problems == [], page.problems
        await page.call("Page.close")
        dev.process.send_signal(signal.SIGINT)
        assert dev.wait_for_exit() == 0


async def test_a_gateway_without_chaos_says_how_to_get_it(console: Console) -> None:
    """Nothing is published there, so the page offers nothing."""
    await console.open("console/chaos")
    await console.page.until("document.querySelector('#no-chaos') !== null")
    await console.says("#no-chaos", "websocket-handler dev --chaos")
    assert await console.page.run("document.querySelectorAll('[data-verb]').length") == 0
