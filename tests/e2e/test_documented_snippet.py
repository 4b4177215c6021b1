"""The JavaScript of docs/tutorial.md in a real Chromium: on the gateway's own page under both of its names, and on a
page that another server of this machine serves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import pytest

from tests.e2e.browser import Page
from tests.support.documents import blocks
from tests.support.gateway import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

(SNIPPET,) = (block.text for block in blocks("docs/tutorial.md") if block.language == "javascript")
RECORDING: Final = """
globalThis.received = [];
const toConsole = console.log;
console.log = (message) => { received.push(message); toConsole(message); };
"""
"""What the snippet shows in the browser's console, where a person would read it."""


class OwnPage(BaseHTTPRequestHandler):
    """A page under development: it knows nothing of the gateway."""

    def do_GET(self) -> None:
        body = b"<!doctype html><title>mine</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing."""


@pytest.fixture(scope="module")
def own_page() -> Iterator[str]:
    """The address of that page."""
    with ThreadingHTTPServer(("127.0.0.1", 0), OwnPage) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("where", ["http://127.0.0.1:{port}/", "http://localhost:{port}/", "{own_page}"])
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_the_snippet_works_as_it_stands(
    gateway: Gateway, own_page: str, page: Page, where: str, name: str
) -> None:
    """`connected`, the confirmation of the URL's project, and `pong`; whichever name of the machine somebody writes."""
    assert "ws://127.0.0.1:8080/ws?project_id=proj_123" in SNIPPET
    snippet = SNIPPET.replace("127.0.0.1:8080", f"{name}:{gateway.port}")
    await page.go_to(where.format(port=gateway.port, own_page=own_page))

    await page.run(f"{RECORDING}\n{snippet}; 0")
    await page.until("received.length >= 3")

    received = await page.run("received")
    await page.go_to("about:blank")
    assert received[0]["type"] == "connected"
    assert {message["type"] for message in received[1:3]} == {"subscription_confirmed", "pong"}
