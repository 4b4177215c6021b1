"""A headless Chromium over its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.support.links import CLIENTS, RemoteDriver
from tests.support.patience import PATIENCE_S

BINDING: Final = "reportToTest"
FLAGS: Final = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--window-size=1280,900",
    "--no-startup-window",
    # Each window of Chromium 156 loads two pages of its own behind the address bar. Idle, they take a fifth of a core.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup",
)
Event = dict[str, Any]


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session_id: str) -> None:
        self._browser = browser
        self._session_id = session_id
        self.reported: Callable[[Event], None] = lambda _event: None
        self.trace: list[Event] = []
        """What the browser noted between the beginning and the end of a trace."""
        self._traced = asyncio.Event()
        self.problems: list[str] = []
        """Exceptions and violated policies of the page, as the browser's console shows them."""

    async def call(self, method: str, **parameters: Any) -> Any:
        """One DevTools command."""
        return await self._browser.call(method, self._session_id, **parameters)

    async def go_to(self, url: str) -> None:
        """Open a URL and wait until its scripts ran."""
        await self.call("Page.navigate", url=url)
        await self.until(f"document.readyState === 'complete' && location.href.startsWith({json.dumps(url)})")

    async def run(self, expression: str, timeout_s: float = PATIENCE_S) -> Any:
        """The value of a JavaScript expression; a promise is awaited. Raises AssertionError with the exception."""
        answer = await self._browser.call(
            "Runtime.evaluate",
            self._session_id,
            timeout_s,
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, condition: str, timeout_s: float = PATIENCE_S) -> None:
        """Return when a JavaScript condition holds. Raises AssertionError with what the page shows instead."""
        await self.run(
            "new Promise((resolve, reject) => {"
            f"const deadline = performance.now() + {1000 * timeout_s};"
            "const look = () => {"
            f"if ({condition}) resolve(true);"
            f"else if (performance.now() > deadline) reject(new Error({json.dumps(condition)} + ' never came true: '"
            " + document.body.innerText.slice(0, 2000)));"
            "else setTimeout(look, 10); }; look(); })",
            timeout_s + PATIENCE_S,
        )

    async def text(self, selector: str) -> str:
        """The text of an element."""
        return str(await self.run(f"document.querySelector({json.dumps(selector)}).textContent"))

    async def fill(self, selector: str, value: str) -> None:
        """Type into a field, and replace what it holds."""
        field = f"document.querySelector({json.dumps(selector)})"
        await self.run(f"{field}.focus(), {field}.select()")
        await self.call("Input.insertText", text=value)

    async def click(self, selector: str) -> None:
        """Press a button with the mouse."""
        where = await self.run(
            f"(() => {{ const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=where[0], y=where[1], button="left", clickCount=1)

    async def before_its_scripts(self, source: str) -> None:
        """Run a script in every document of this tab before the document's own."""
        await self.call("Page.addScriptToEvaluateOnNewDocument", source=source)

    async def look(self, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """Show the page in a window of this size, to somebody who prefers `light` or `dark`."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        await self.call("Emulation.setEmulatedMedia", features=[feature])

    async def screenshot(self) -> bytes:
        """What is to be seen, as a PNG."""
        answer = await self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(answer["data"])

    @asynccontextmanager
    async def traced(self) -> AsyncIterator[None]:
        """Note every task of the browser's threads in `trace`."""
        self.trace.clear()
        self._traced.clear()
        await self.call(
            "Tracing.start", traceConfig={"includedCategories": ["toplevel", "disabled-by-default-toplevel"]}
        )
        yield
        await self.call("Tracing.end")
        async with asyncio.timeout(PATIENCE_S):
            await self._traced.wait()

    async def websocket_driver(self) -> RemoteDriver:
        """The page's own WebSockets, to be driven from here."""
        source = (CLIENTS / "driver.js").read_text(encoding="utf-8").replace("export function", "function")
        await self.run(
            f"{source}; globalThis.driver = makeDriver(WebSocket, (event) => {BINDING}(JSON.stringify(event))); 0"
        )

        async def send(command: Event) -> None:
            await self.run(f"driver.run({json.dumps(command)}), 0")

        driver = RemoteDriver(send)
        self.reported = driver.arrived
        return driver

    def happened(self, method: str, parameters: Event) -> None:
        """An event of the tab."""
        if method == "Runtime.bindingCalled":
            self.reported(json.loads(parameters["payload"]))
        elif method == "Tracing.dataCollected":
            self.trace.extend(parameters["value"])
        elif method == "Tracing.tracingComplete":
            self._traced.set()
        elif method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Log.entryAdded" and parameters["entry"]["source"] == "security":
            self.problems.append(parameters["entry"]["text"])


class Browser:
    """The browser's end of the DevTools connection."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._answers: dict[int, asyncio.Future[Event]] = {}
        self._numbers = itertools.count(1)
        self._pages: dict[str, Page] = {}

    async def read(self) -> None:
        """Hand out answers and events until the browser is gone."""
        try:
            async for text in self._socket:
                message = json.loads(text)
                if "id" in message:
                    self._answers.pop(message["id"]).set_result(message)
                elif page := self._pages.get(message.get("sessionId", "")):
                    page.happened(message["method"], message["params"])
        except websockets.ConnectionClosed:
            return

    async def call(
        self, method: str, session_id: str | None = None, timeout_s: float = PATIENCE_S, **parameters: Any
    ) -> Any:
        """One DevTools command. Raises AssertionError with the browser's reason."""
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        session = {"sessionId": session_id} if session_id else {}
        answer = self._answers[number]
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters, **session}))
        async with asyncio.timeout(timeout_s):
            message = await answer
        assert "error" not in message, message
        return message["result"]

    async def new_page(self) -> Page:
        """A tab in a profile of its own."""
        context = await self.call("Target.createBrowserContext", disposeOnDetach=True)
        target = await self.call("Target.createTarget", url="about:blank", browserContextId=context["browserContextId"])
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = self._pages[attached["sessionId"]] = Page(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Log"):
            await page.call(f"{domain}.enable")
        await page.call("Runtime.addBinding", name=BINDING)
        return page


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """A Chromium with an empty profile."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program is not None, "Chromium is not on PATH; Debian's package is `chromium`"
    # Chromium's sandbox refuses to run as root, which is who runs in most CI containers.
    sandbox = ("--no-sandbox",) if getattr(os, "geteuid", lambda: 1)() == 0 else ()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            program,
            *FLAGS,
            *sandbox,
            f"--user-data-dir={profile}",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            url = await _devtools_url(process.stderr)
        draining = asyncio.create_task(process.stderr.read())
        async with connect(url, proxy=None, max_size=None, ping_interval=None) as socket:
            browser = Browser(socket)
            reading = asyncio.create_task(browser.read())
            try:
                yield browser
            finally:
                await browser.call("Browser.close")
                async with asyncio.timeout(PATIENCE_S):
                    await asyncio.gather(process.wait(), reading, draining)


async def _devtools_url(stderr: asyncio.StreamReader) -> str:
    while line := await stderr.readline():
        if found := re.search(r"DevTools listening on (ws://\S+)", line.decode(errors="replace")):
            return found.group(1)
    raise AssertionError("Chromium ended at once")
