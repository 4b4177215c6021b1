"""The console after a refused subscription: it asks again when it was told to, or after a pause of its own."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.e2e.browser import Browser
from tests.support.gateway import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

REFUSED: Final = """
Promise.all([import("/console/connection.js"), import("/console/subscriptions.js")]).then(
  async ([{ RequestError }, { Subscriptions }]) => {
    const pauses = [];
    globalThis.setTimeout = (_act, pauseMs) => pauses.push(pauseMs);
    class Gateway extends EventTarget {
      live = true;
      limits = {};
      request = () => Promise.reject(new RequestError("store_unavailable", "busy", true, RETRY_AFTER_MS));
    }
    new Subscriptions(new Gateway(), { read: () => null, write() {} }).subscribe("p");
    pauses.length = 0;
    await Promise.resolve().then(() => {}).then(() => {});
    return pauses;
  })
"""
"""The pauses that the page makes after a refusal."""
ANSWERED: Final = """
import("/console/connection.js").then(({ Connection }) => {
  const sockets = [];
  class Socket extends EventTarget {
    constructor() { super(); sockets.push(this); this.sent = []; }
    send(text) { this.sent.push(JSON.parse(text)); }
    close() {}
    says(message) { this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(message) })); }
  }
  const connection = new Connection("ws://gateway/ws", () => null, { WebSocket: Socket });
  connection.connect();
  const [socket] = sockets;
  socket.says({ type: "connected", connection_id: "c1", limits: {} });
  const live = new Promise((resolve) => connection.addEventListener("live", resolve));
  socket.says({ type: "unsubscription_confirmed", project_id: "console", id: socket.sent[0].id });
  return live.then(() => {
    const refused = connection.request({ action: "subscribe", project_id: "p" }, { urgent: true })
      .catch((error) => [error.code, error.retryable, error.retryAfterMs]);
    socket.says({ ...ERROR, id: socket.sent.find(({ action }) => action === "subscribe").id });
    return refused.finally(() => connection.lock());
  });
})
"""
"""What a request of the page makes of an error."""


async def run(browser: Browser, gateway: Gateway, script: str) -> Any:
    """The result of a script in the page."""
    page = await browser.new_page()
    await page.go_to(f"{gateway.base_url}/")
    result = await page.run(script)
    await page.call("Page.close")
    return result


async def test_the_page_asks_again_when_it_was_told_to(browser: Browser, gateway: Gateway) -> None:
    assert 54_321 in await run(browser, gateway, REFUSED.replace("RETRY_AFTER_MS", "54_321"))


async def test_without_a_word_from_the_gateway_the_pause_is_the_pages_own(browser: Browser, gateway: Gateway) -> None:
    pauses = await run(browser, gateway, REFUSED.replace("RETRY_AFTER_MS", "null"))
    assert any(1_000 <= pause <= 3_000 for pause in pauses), pauses


@pytest.mark.parametrize(
    ("told", "heeded"), [(5_210, 5_210), (None, None), ("soon", None), (-5, 0), (10**9, 120_000)], ids=str
)
async def test_the_page_reads_the_moment_to_come_back_within_bounds(
    browser: Browser, gateway: Gateway, told: object, heeded: int | None
) -> None:
    error = {"type": "error", "code": "store_unavailable", "message": "busy", "retryable": True}
    if told is not None:
        error["retry_after_ms"] = told
    found = await run(browser, gateway, ANSWERED.replace("ERROR", json.dumps(error)))
    assert found == ["store_unavailable", True, heeded]
