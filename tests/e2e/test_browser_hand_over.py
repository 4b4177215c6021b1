"""The console's connection after a `reconnect` push: it comes back, whatever close code its library reports."""

from __future__ import annotations

import json
from typing import Final

import pytest

from tests.e2e.browser import Browser
from tests.support.gateway import Gateway, off_loop, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLOSED: Final = """
import("/console/connection.js").then(({ Connection }) => new Promise((resolve) => {
  Math.random = () => 0;
  class Socket extends EventTarget {
    constructor() { super(); queueMicrotask(() => this.says({ type: "connected", connection_id: "c1" })); }
    send(text) {
      const { action, id } = JSON.parse(text);
      if (action === "presence") queueMicrotask(() => this.says({ type: "presence", id, count: 0 }));
      if (action === "ping") queueMicrotask(() => this.ends());
    }
    ends() {
      for (const message of MESSAGES) this.says(message);
      hasEnded = true;
      this.dispatchEvent(Object.assign(new Event("close"), { code: CODE }));
    }
    close() {}
    says(message) { this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(message) })); }
  }
  let hasEnded = false;
  const connection = new Connection("ws://gateway/ws", () => null, { WebSocket: Socket });
  connection.addEventListener("state", ({ detail: { name, stopped } }) => {
    if (!hasEnded || name !== EXPECTED) return;
    resolve([name, stopped]);
    queueMicrotask(() => connection.client.close());
  });
  connection.connect();
}))
"""
"""A connection in the page whose socket is the test's own: it is let in, gets these messages, and then a close."""
PUSH: Final = {"type": "reconnect", "reason": "draining", "after_ms": 60_000}


async def closed(browser: Browser, gateway: Gateway, code: int, expected: str, *messages: object) -> list[object]:
    """The expected state, once the page is in it after a close: its name, and True if the page does not come back."""
    page = await browser.new_page()
    await page.go_to(f"{gateway.base_url}/")
    script = CLOSED.replace("MESSAGES", json.dumps(messages)).replace("CODE", json.dumps(code))
    state: list[object] = await page.run(script.replace("EXPECTED", json.dumps(expected)))
    await page.call("Page.close")
    return state


@pytest.mark.parametrize("code", [4012, 1012, 1002, 1006, 1000, 1005, 1008, 4002, 4003, 4500])
async def test_after_the_push_the_page_comes_back_whatever_code_follows(
    browser: Browser, gateway: Gateway, code: int
) -> None:
    assert await closed(browser, gateway, code, "reconnecting", PUSH) == ["reconnecting", False]


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (4012, ["reconnecting", False]),
        (1012, ["reconnecting", False]),
        (4002, ["locked", False]),
        (4500, ["offline", True]),
    ],
)
async def test_without_the_push_the_code_decides(
    browser: Browser, gateway: Gateway, code: int, state: list[object]
) -> None:
    assert await closed(browser, gateway, code, str(state[0])) == state


async def test_chromium_reports_the_code_of_a_gateway_that_goes_away(
    browser: Browser, settings: dict[str, str]
) -> None:
    async with off_loop(running_gateway(settings)) as gateway:
        page = await browser.new_page()
        await page.go_to(f"{gateway.base_url}/")
        await page.run(
            """
            new Promise((opened) => {
              const socket = new WebSocket(`ws://${location.host}/ws?project_id=proj_1`);
              globalThis.closeCode = new Promise((done) => { socket.onclose = ({ code }) => done(code); });
              socket.onmessage = opened;
            }).then(() => null)
            """
        )
    assert await page.run("globalThis.closeCode") == 4012
    await page.call("Page.close")
