"""The pictures of the README: the console of a gateway while an agent works. `make console-pictures` keeps them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.browser import Browser
from tests.e2e.consoles import opened
from tests.support.gateway import REPOSITORY, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEPT: Final = REPOSITORY / "docs" / "pictures"
BYTES_MAX: Final = 150 * 1024
WIDTH, HEIGHT = 1040, 650
PROJECT: Final = "shop"
RUN: Final = {"threadId": PROJECT, "runId": "login-page", "agent": "dev"}
ASKED: Final = {
    **{name: RUN[name] for name in ("threadId", "runId")},
    "messages": [{"id": "q", "role": "user", "content": "Build the login page, and test it"}],
}
ANSWER: Final = (
    "The login page is there: an e-mail field, a password field, and errors that screen readers announce. "
    "All 14 tests pass. QA may look at it now."
)
STORY: Final[list[dict[str, Any]]] = [
    {"type": "RUN_STARTED", "input": ASKED},
    {"type": "STEP_STARTED", "stepName": "write the page"},
    {"type": "TOOL_CALL_START", "toolCallId": "c1", "toolCallName": "write_file"},
    {"type": "TOOL_CALL_ARGS", "toolCallId": "c1", "delta": '{"path":"src/login.tsx"}'},
    {"type": "TOOL_CALL_END", "toolCallId": "c1"},
    {"type": "TOOL_CALL_RESULT", "toolCallId": "c1", "messageId": "r1", "content": "84 lines"},
    {"type": "STEP_FINISHED", "stepName": "write the page"},
    {"type": "TOOL_CALL_START", "toolCallId": "c2", "toolCallName": "run_tests"},
    {"type": "TOOL_CALL_ARGS", "toolCallId": "c2", "delta": '{"folder":"tests/login"}'},
    {"type": "TOOL_CALL_END", "toolCallId": "c2"},
    {"type": "TOOL_CALL_RESULT", "toolCallId": "c2", "messageId": "r2", "content": "14 passed"},
    {"type": "TEXT_MESSAGE_START", "messageId": "m"},
    {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": ANSWER},
]
OTHERS: Final[list[dict[str, Any]]] = [
    {"type": "RUN_STARTED", "threadId": PROJECT, "runId": "plan", "agent": "pm"},
    {"type": "RUN_FINISHED", "threadId": PROJECT, "runId": "plan", "agent": "pm"},
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_readme_shows_the_console_as_it_is(
    browser: Browser, settings: dict[str, str], tmp_path: Path, scheme: str
) -> None:
    """Made of a running gateway, each time; the README has the ones that were kept. Both are small."""
    folder = Path(os.environ.get("CONSOLE_PICTURES") or tmp_path)
    with running_gateway(settings, SQS_QUEUE_URL_UPDATES="") as gateway:
        async with opened(browser, gateway, tmp_path) as console:
            page = console.page
            await console.open(f"console/runs?project={PROJECT}")
            await console.state("live")
            await console.publish(PROJECT, OTHERS)
            for event in STORY:
                await console.publish(PROJECT, {**RUN, **event})
            await page.until("document.querySelector('.part.text .grown')?.textContent.endsWith('now.')")
            await page.look(WIDTH, HEIGHT, scheme)
            picture = await page.screenshot()
    target = folder / f"console-{scheme}.png"
    await asyncio.to_thread(target.write_bytes, picture)
    for path in (target, KEPT / target.name):
        data = await asyncio.to_thread(path.read_bytes)
        assert len(data) <= BYTES_MAX, path
        assert (int.from_bytes(data[16:20]), int.from_bytes(data[20:24])) == (WIDTH, HEIGHT), path
    assert f"docs/pictures/{target.name}" in await asyncio.to_thread((REPOSITORY / "README.md").read_text)
