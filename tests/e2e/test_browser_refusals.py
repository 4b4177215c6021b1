"""The console after a refused subscription: it asks again when it was told to, or after a pause of its own."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.e2e.browser import Browser
from tests.support.gateway import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOCKET: Final = """
  class Socket extends EventTarget {
    constructor() { super(); queueMicrotask(() => this.says({ type: "connected", connection_id: "c1" })); }
    send(text) {
      const command = JSON.parse(text);
      queueMicrotask(() => this.says({ ...answerTo(command), id: command.id }));
    }
    close() {}
    says(message) { this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(message) })); }
  }
"""
"""A WebSocket of the page that asks nobody but `answerTo`."""
REFUSED: Final = """
import("/console/connection.js").then(async ({ Connection }) => {
  const waiting = [];
  const subscribed = [];
  let now = Date.now();
  Math.random = () => 0.5;
  Date.now = () => now;
  globalThis.setTimeout = (act, pauseMs) => waiting.push({ act, at: now + pauseMs });
  const answerTo = ({ action }) => {
    if (action !== "subscribe") return { type: "pong", count: 0 };
    subscribed.push(now);
    return ERROR;
  };
  const settled = () => new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = done;
    port2.postMessage(0);
  });
  SOCKET
  const { client } = new Connection("ws://gateway/ws", () => null, { WebSocket: Socket });
  client.project("p").on("update", () => {});
  await settled();
  while (subscribed.length < 2) {
    const next = waiting.reduce((first, other) => (other.at < first.at ? other : first));
    waiting.splice(waiting.indexOf(next), 1);
    now = Math.max(now, next.at);
    next.act();
    await settled();
  }
  client.close();
  return subscribed[1] - subscribed[0];
})
"""
"""How long the page waits after a refusal, on a clock that stands still except for its own timers."""
ANSWERED: Final = """
import("/console/connection.js").then(({ Connection }) => {
  const answerTo = ({ action }) => (action === "publish" ? ERROR : { type: "presence", count: 0 });
  SOCKET
  const { client } = new Connection("ws://gateway/ws", () => null, { WebSocket: Socket });
  return client.project("p").publish({})
    .catch((error) => [error.code, error.retryable, error.retryAfterMs])
    .finally(() => client.close());
})
"""
"""What a request of the page makes of an error."""


def refused(script: str, **fields: object) -> str:
    """The script with a gateway that has no time."""
    error = {"type": "error", "code": "store_unavailable", "message": "busy", "retryable": True, **fields}
    return script.replace("SOCKET", SOCKET).replace("ERROR", json.dumps(error))


async def run(browser: Browser, gateway: Gateway, script: str) -> Any:
    """The result of a script in a page that has no timers of its own: the console's would go by the script's clock."""
    page = await browser.new_page()
    await page.go_to(f"{gateway.base_url}/console/connection.js")
    result = await page.run(script)
    await page.call("Page.close")
    return result


async def test_the_page_asks_again_when_it_was_told_to(browser: Browser, gateway: Gateway) -> None:
    assert await run(browser, gateway, refused(REFUSED, retry_after_ms=54_321)) == 54_321


async def test_without_a_word_from_the_gateway_the_pause_is_the_pages_own(browser: Browser, gateway: Gateway) -> None:
    assert await run(browser, gateway, refused(REFUSED)) == 500, "half of the first second of its back-off"


@pytest.mark.parametrize(
    ("told", "heeded"), [(5_210, 5_210), (None, None), ("soon", None), (-5, 0), (10**9, 120_000)], ids=str
)
async def test_the_page_reads_the_moment_to_come_back_within_bounds(
    browser: Browser, gateway: Gateway, told: object, heeded: int | None
) -> None:
    fields = {} if told is None else {"retry_after_ms": told}
    found = await run(browser, gateway, refused(ANSWERED, **fields))
    assert found == ["store_unavailable", True, heeded]
