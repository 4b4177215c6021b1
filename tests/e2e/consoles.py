"""The console page as a person uses it: where things are, and what to wait for."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.e2e.browser import Browser, Page
from tests.support.gateway import REPOSITORY, Gateway
from tests.support.patience import PATIENCE_S
from tests.support.tokens import bearer

AXE: Final = REPOSITORY / "console" / "node_modules" / "axe-core" / "axe.min.js"
SOCKETS: Final = """
globalThis.sockets = [];
globalThis.WebSocket = class extends WebSocket {
  constructor(...given) { super(...given); sockets.push(this); }
};
"""
"""Lets a test end the page's newest socket with a close code that a browser never gets by itself."""


class Console:
    """The page of one gateway."""

    def __init__(self, page: Page, gateway: Gateway, pictures: Path) -> None:
        self.page = page
        self.gateway = gateway
        self._pictures = pictures

    async def open(self, query: str = "") -> None:
        """Load the page anew."""
        await self.page.go_to("about:blank")
        await self.page.go_to(f"{self.gateway.base_url}/{query}")

    async def state(self, name: str) -> None:
        """Wait until the connection is live, locked, …"""
        await self.page.until(f"document.querySelector('#state').dataset.state === '{name}'")

    async def panel(self, purpose: str) -> None:
        """Wait until a token is asked for, and why."""
        await self.page.until(
            f"document.querySelector('#sign-in:not([hidden])')?.dataset.purpose === {json.dumps(purpose)}"
        )

    async def no_panel(self) -> None:
        """Wait until no token is asked for."""
        await self.page.until("document.querySelector('#sign-in').hidden")

    async def enter(self, text: str, *, remember: bool = False) -> None:
        """Type a token and send it."""
        await self.page.fill("#token", text)
        if remember != await self.page.run("document.querySelector('#token-remember').checked"):
            await self.page.click("#token-remember")
        await self.page.click("#token-send")

    async def says(self, selector: str, words: str) -> None:
        """Wait until an element shows these words."""
        await self.page.until(
            f"document.querySelector({json.dumps(selector)}).textContent.includes({json.dumps(words)})"
        )

    async def chip(self, project_id: str, status: str) -> None:
        """Wait until a watched project is live, refused, …"""
        found = f"document.querySelector('#projects [data-project={json.dumps(json.dumps(project_id))[1:-1]}]')"
        await self.page.until(f"{found}?.dataset.status === '{status}'")

    async def text(self, selector: str) -> str:
        """What an element shows."""
        return await self.page.text(selector)

    async def updates(self, project_id: str, count: int) -> list[str]:
        """The texts of a project's updates, once there are so many."""
        of_project = f"(row) => row.dataset.project === {json.dumps(project_id)}"
        rows = f"[...document.querySelectorAll('#updates .update')].filter({of_project})"
        await self.page.until(f"{rows}.length >= {count}")
        texts: list[str] = await self.page.run(f"{rows}.map((row) => row.textContent)")
        assert len(texts) == count
        return texts

    async def raw_texts(self) -> list[str]:
        """The JSON of all rows, as the page shows it once they are open."""
        closed = "document.querySelectorAll('#updates .toggle[aria-expanded=false]')"
        await self.page.run(f"{closed}.forEach((toggle) => toggle.click())")
        await self.page.until(f"{closed}.length === 0")
        raws = "document.querySelectorAll('#updates pre')"
        await self.page.until(f"{raws}.length === document.querySelectorAll('#updates .update').length")
        texts: list[str] = await self.page.run(f"[...{raws}].map((pre) => pre.textContent)")
        return texts

    async def ask(self, method: str, path: str, body: Any = None) -> int:
        """A request of somebody who may do everything, its text as UTF-8 and not as escapes; the status."""
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", **bearer(sub="root", projects=["*"])}
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.request(method, f"{self.gateway.base_url}{path}", data=data, headers=headers) as response,
        ):
            return response.status

    async def publish(self, project_id: str, body: dict[str, Any] | list[dict[str, Any]]) -> None:
        """As an agent does: one update, or several."""
        assert await self.ask("POST", f"/api/v1/projects/{project_id}/messages", body) == 200

    async def press(self, key: str) -> None:
        """Press a key, wherever the focus is."""
        text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        await self.page.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        await self.page.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def stored(self) -> str:
        """Everything that the page keeps, and its address."""
        return str(
            await self.page.run(
                "JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie, location.href])"
            )
        )

    async def shown_to_everybody(self, name: str) -> None:
        """On a desk and on a phone, light and dark: axe finds no violation in the two that differ most. Somebody who
        asks for pictures gets four."""
        for width, scheme in ((1280, "dark"), (390, "light"), (1280, "light"), (390, "dark")):
            if "E2E_SCREENSHOTS" in os.environ:
                await self.picture(f"{name}-{width}-{scheme}", width=width, height=844, scheme=scheme)
            if (width == 390) == (scheme == "dark"):
                await self.page.look(width, 844, scheme)
                found = await self._violations()
                assert found == [], found
        await self.page.look()

    async def _violations(self) -> list[str]:
        """What axe finds on the page, with the elements."""
        if not await self.page.run("'axe' in globalThis"):
            await self.page.run(f"{await asyncio.to_thread(AXE.read_text, encoding='utf-8')}; 0")
        found: list[str] = await self.page.run(
            "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations.map(({id, nodes}) =>"
            " `${id}: ${nodes.slice(0, 3).map(({html}) => html).join(' ')}`))"
        )
        return found

    async def picture(self, name: str, *, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """Save a picture of the page."""
        await self.page.look(width, height, scheme)
        await asyncio.to_thread((self._pictures / f"{name}.png").write_bytes, await self.page.screenshot())


def pictures(folder: Path) -> Path:
    """Where pictures go: the folder of the variable E2E_SCREENSHOTS, else one that pytest keeps for a while."""
    chosen = Path(os.environ.get("E2E_SCREENSHOTS") or folder)
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen


@asynccontextmanager
async def opened(browser: Browser, gateway: Gateway, folder: Path) -> AsyncIterator[Console]:
    """The console in a new tab, which breaks no policy and throws nothing."""
    page = await browser.new_page()
    await page.before_its_scripts(SOCKETS)
    await page.look()
    yield Console(page, gateway, pictures(folder))
    await page.go_to("about:blank")
    assert page.problems == [], page.problems
    await page.call("Page.close")
