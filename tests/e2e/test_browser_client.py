"""The TypeScript client in a real Chromium, as the gateway serves it to its console: StrictMode, a network that is
gone, the back/forward cache, a reload while updates come, and a machine that slept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.e2e.browser import Browser, Page
from tests.support.api import Http
from tests.support.gateway import REPOSITORY, Gateway
from tests.support.links import new_project

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLOCK: Final = (Path(__file__).parent / "page_clock.js").read_text(encoding="utf-8")
FOLLOW: Final = """
import("/console/websocket-handler-client.js").then(({ createClient }) => {
  Math.random = () => 0.05;
  globalThis.got = JSON.parse(sessionStorage.getItem("got") ?? "[]");
  const keep = (what) => sessionStorage.setItem("got", JSON.stringify((got.push(what), got)));
  globalThis.client = createClient("/ws", { store: "session" });
  const project = client.project(PROJECT);
  project.on("reset", () => keep("reset"));
  project.on("update", ({ offset }) => keep(offset), { rewind: 100 });
}).then(() => 0)
"""
"""Follows a project, and remembers over reloads what it got."""
LIVE: Final = "client.state === 'live' && client.project({}).state === 'live'"


class Follower:
    """A page that follows a project of its own."""

    def __init__(self, page: Page, api: Http, url: str) -> None:
        self.page = page
        self.project_id = new_project()
        self._api = api
        self._url = url

    async def open(self) -> None:
        """Load the page, and follow."""
        await self.page.go_to(self._url)
        await self.follow()

    async def follow(self) -> None:
        """Begin with what the tab remembers."""
        await self.page.run(FOLLOW.replace("PROJECT", json.dumps(self.project_id)))
        await self.page.until(LIVE.format(json.dumps(self.project_id)))

    async def publish(self, count: int) -> None:
        """Publish so many updates, one after the other."""
        for _ in range(count):
            await self._api.json("POST", f"/api/v1/projects/{self.project_id}/messages", json={})

    async def got(self, last: int) -> None:
        """Wait for the update `last`, and find that all up to it came once and in order."""
        await self.page.until(f"got.includes({last})")
        assert await self.page.run("got") == list(range(1, last + 1))

    async def network(self, *, is_there: bool) -> None:
        """Take the network away, as no cable and no Wi-Fi: sockets stay open, and nothing comes. Or give it back."""
        await self.page.call(
            "Network.emulateNetworkConditions",
            offline=not is_there,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )


@pytest_asyncio.fixture(loop_scope="session")
async def follower(browser: Browser, gateway: Gateway, api: Http) -> AsyncIterator[Follower]:
    """A page of the gateway's own origin that follows."""
    page = await browser.new_page()
    await page.call("Network.enable")
    await page.before_its_scripts(CLOCK)
    follower = Follower(page, api, f"{gateway.base_url}/console/console.css")
    await follower.open()
    yield follower
    await page.go_to("about:blank")
    assert page.problems == []
    await page.call("Page.close")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def strict_page() -> str:
    """The script of a page with React in StrictMode."""
    package = REPOSITORY / "clients" / "typescript"
    building = await asyncio.create_subprocess_exec(
        package / "node_modules" / ".bin" / "esbuild",
        "tests/browser/strict_page.tsx",
        "--bundle",
        "--format=iife",
        "--jsx=automatic",
        cwd=package,
        stdout=asyncio.subprocess.PIPE,
    )
    script, _ = await building.communicate()
    assert building.returncode == 0
    return script.decode()


async def test_strict_mode_is_one_handshake_and_one_subscribe(
    browser: Browser, gateway: Gateway, api: Http, strict_page: str
) -> None:
    page, project_id = await browser.new_page(), new_project()
    await page.before_its_scripts(CLOCK)
    await page.go_to(f"{gateway.base_url}/health#{project_id}")
    await api.json("POST", f"/api/v1/projects/{project_id}/messages", json={})
    await page.run(f"{strict_page}; 0")
    await page.until("document.body.textContent === 'live: 1live: 1'")

    await api.json("POST", f"/api/v1/projects/{project_id}/messages", json={})
    await page.until("document.body.textContent === 'live: 1,2live: 1,2'")

    assert await page.run("sockets.length") == 1
    assert await page.run("sent.map(({ action }) => action)") == ["subscribe"]
    assert page.problems == []
    await page.call("Page.close")


async def test_sixty_seconds_without_a_network_lose_and_double_nothing(follower: Follower) -> None:
    """The socket stays open and silent: the client finds out by itself, and is back as soon as the network is."""
    await follower.publish(2)
    await follower.got(2)
    await follower.network(is_there=False)
    await follower.publish(3)
    await follower.page.run("pass(36_000)")
    assert await follower.page.run("client.state") != "live"
    await follower.page.run("pass(24_000)")
    await follower.publish(1)

    await follower.network(is_there=True)
    await follower.page.run("passUntil(() => client.state === 'live')")

    await follower.got(6)


async def test_a_network_that_is_soon_back_loses_and_doubles_nothing(follower: Follower) -> None:
    await follower.network(is_there=False)
    await follower.publish(3)
    await follower.network(is_there=True)
    await follower.publish(1)
    await follower.got(4)
    assert await follower.page.run("sockets.length") == 1, "the same connection goes on"


async def test_a_page_of_the_back_forward_cache_takes_a_new_connection_and_resumes(
    follower: Follower, gateway: Gateway
) -> None:
    page = follower.page
    await page.run("addEventListener('pageshow', ({ persisted }) => { globalThis.wasFrozen = persisted; }), 0")
    await follower.publish(2)
    await follower.got(2)
    history = await page.call("Page.getNavigationHistory")
    await page.go_to(f"{gateway.base_url}/console/connection.js")
    await follower.publish(3)

    await page.call("Page.navigateToHistoryEntry", entryId=history["entries"][history["currentIndex"]]["id"])
    await page.until("globalThis.wasFrozen === true")

    await follower.got(5)
    await follower.publish(1)
    await follower.got(6)
    assert await page.run("sockets.length") == 2


async def test_a_reload_while_updates_come_loses_and_doubles_nothing(follower: Follower) -> None:
    await follower.publish(2)
    await follower.got(2)
    publishing = asyncio.create_task(follower.publish(20))
    await follower.page.until("got.length >= 5")
    await follower.page.run("globalThis.isOld = true")
    await follower.page.call("Page.reload")
    await follower.page.until("document.readyState === 'complete' && globalThis.isOld === undefined")
    await follower.follow()
    await publishing
    await follower.got(22)


async def test_a_machine_that_slept_finds_its_dead_connection_in_seconds(follower: Follower) -> None:
    """The timers come an hour too late. The socket says that it is open, and nothing comes."""
    await follower.network(is_there=False)
    await follower.publish(3)
    await follower.page.run("jump(3_600_000), 0")
    assert await follower.page.run("client.state") == "live"
    await follower.page.run("pass(5_500)")
    assert await follower.page.run("client.state") != "live"

    await follower.network(is_there=True)
    await follower.page.run("passUntil(() => client.state === 'live')")

    await follower.got(3)


async def test_a_machine_that_slept_keeps_a_connection_that_lives(follower: Follower) -> None:
    await follower.page.run("jump(3_600_000), 0")
    await follower.publish(2)
    await follower.got(2)
    assert await follower.page.run("sockets.length") == 1
