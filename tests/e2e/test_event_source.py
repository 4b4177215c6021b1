"""Real `EventSource`s, of Chromium and of npm: what passes does not end them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Final

import pytest

from tests.e2e.browser import Browser
from tests.support.gateway import Gateway, running_gateway
from tests.support.links import CLIENTS, new_project
from tests.support.patience import PATIENCE_S
from tests.support.peers import Raw

pytestmark = pytest.mark.asyncio(loop_scope="session")

IN_A_PAGE: Final = """
globalThis.happened = [];
globalThis.waiting = [];
globalThis.source = new EventSource(URL_OF_IT);
const report = (kind, data) => { happened.push({ kind, data }); waiting.shift()?.(); };
for (const kind of ["subscription_confirmed", "reconnect", "message"]) {
  source.addEventListener(kind, ({ data }) => report(kind, JSON.parse(data)));
}
source.addEventListener("error", () => source.readyState === EventSource.CLOSED && report("closed", null));
0
"""
NEXT: Final = """
(async () => {
  if (happened.length === 0) await new Promise((resolve) => waiting.push(resolve));
  return happened.shift();
})()
"""
Next = Callable[[], Any]
"""The next event of a source: its kind and its data."""
Open = Callable[[str], AbstractAsyncContextManager[Next]]


@asynccontextmanager
async def in_chromium(browser: Browser, url: str) -> AsyncIterator[Next]:
    """An `EventSource` of a page that the gateway served."""
    page = await browser.new_page()
    await page.go_to(url.partition("/api/")[0] + "/health")
    await page.run(IN_A_PAGE.replace("URL_OF_IT", json.dumps(url)))
    yield lambda: page.run(NEXT)
    await page.call("Page.close")


@asynccontextmanager
async def in_node(url: str) -> AsyncIterator[Next]:
    """npm `eventsource`. Needs `npm ci` in tests/e2e."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "node", str(CLIENTS / "event_source.js"), url, stdin=pipe, stdout=pipe
    )
    assert process.stdin is not None
    assert process.stdout is not None
    lines = process.stdout

    async def following() -> Any:
        async with asyncio.timeout(PATIENCE_S):
            return json.loads(await lines.readline())

    yield following
    process.stdin.close()
    async with asyncio.timeout(PATIENCE_S):
        await process.wait()


@pytest.fixture(params=["chromium", "npm"])
def opened(request: pytest.FixtureRequest) -> Open:
    """Opens a source of each kind in turn."""
    if request.param == "npm":
        return in_node
    browser: Browser = request.getfixturevalue("browser")
    return lambda url: in_chromium(browser, url)


@pytest.fixture
def narrow(settings: dict[str, str]) -> Iterator[Gateway]:
    """A gateway with room for one stream or poll per address."""
    more = {"CONNECTIONS_PER_ADDRESS": "1", "LOG_STORE": "memory", "SQS_QUEUE_URL_UPDATES": ""}
    with running_gateway(settings, **more) as running:
        yield running


@contextmanager
def only_place(gateway: Gateway) -> Iterator[None]:
    """Somebody else has it."""
    with Raw(gateway.port) as raw:
        raw.send(b"GET /api/v1/projects/other/events HTTP/1.1\r\nHost: gateway.example\r\n\r\n")
        raw.read_until(b"subscription_confirmed")
        yield


async def test_a_source_that_finds_no_place_comes_back_by_itself(narrow: Gateway, opened: Open) -> None:
    url = f"{narrow.base_url}/api/v1/projects/{new_project()}/events"
    with only_place(narrow):
        context = opened(url)
        following = await context.__aenter__()
        refused = await following()
        assert (refused["kind"], refused["data"]["reason"]) == ("reconnect", "too_many_connections")
    confirmed = await following()
    while confirmed["kind"] == "reconnect":  # it was back before the place was free
        confirmed = await following()
    assert (confirmed["kind"], confirmed["data"]["recovered"]) == ("subscription_confirmed", True)
    await context.__aexit__(None, None, None)


async def test_a_source_that_is_refused_for_good_gives_up(narrow: Gateway, opened: Open) -> None:
    async with opened(f"{narrow.base_url}/api/v1/projects/{new_project()}/events?since=nonsense") as following:
        assert (await following())["kind"] == "closed"
