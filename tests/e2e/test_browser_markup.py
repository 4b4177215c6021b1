"""Names and messages with markup, script and characters that deceive: the console shows them as the text they are."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.e2e.browser import Browser
from tests.e2e.consoles import Console, opened
from tests.support.gateway import Gateway
from tests.support.links import new_project

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE: Final = (
    "<img src=x onerror=globalThis.owned=1>",
    "<script>globalThis.owned=1</script>",
    "</textarea><svg onload=globalThis.owned=1>",
    '"><a href="javascript:globalThis.owned=1">x</a>',
    "<iframe srcdoc='<script>parent.owned=1</script>'></iframe>",
    "{{constructor.constructor('globalThis.owned=1')()}}",
    "<base href=//evil.example><meta http-equiv=refresh content=0;url=//evil.example>",
)
DECEIVING: Final = {
    "proj\u202e321": "proj\\u202e321",
    "a\u2028b": "a\\u2028b",
    "a\u2029b": "a\\u2029b",
    "paypa\u200bl": "paypa\\u200bl",
    "a\u2066b\u2069": "a\\u2066b\\u2069",
    "\ufeffbom": "\\ufeffbom",
    "nul\x00\x1b[31m": "nul\\u0000\\u001b[31m",
    "tag\U000e0041": "tag\\udb40\\udc41",
}
"""What a name hides, and how it is shown."""


@pytest_asyncio.fixture(loop_scope="session")
async def console(browser: Browser, gateway: Gateway, tmp_path: Path) -> AsyncIterator[Console]:
    """The console of an open gateway; at the end nothing of the text has become anything else."""
    async with opened(browser, gateway, tmp_path) as page:
        yield page
        own = (
            "img, iframe, svg, base, object, embed, a:not(.skip, [href^='/']), meta[http-equiv], "
            "script:not([src^='/console/'])"
        )
        assert await page.page.run(f"document.querySelectorAll({json.dumps(own)}).length") == 0
        assert await page.page.run("globalThis.owned ?? null") is None
        assert await page.page.run("document.title") == "websocket_handler console"


async def test_hostile_updates_are_text(console: Console) -> None:
    """In every field that the page looks at, in broadcasts, and in the raw view, closed and open."""
    project_id = new_project()
    await console.open(f"?project_id={project_id}")
    await console.chip(project_id, "live")
    for text in HOSTILE:
        await console.publish(
            project_id, {"type": text, "agent": text, "message": text, "timestamp": text, text: [text]}
        )
        assert await console.ask("POST", "/api/v1/broadcast", {"type": text, "title": text}) == 200

    shown = await console.updates(project_id, len(HOSTILE))

    for text, row in zip(HOSTILE, shown, strict=True):
        assert row.count(text) >= 2, "as type and as message"
    await console.says("#broadcasts", HOSTILE[-1])
    assert [json.loads(raw)["message"] for raw in await console.raw_texts()] == list(HOSTILE)
    await console.page.run("document.querySelectorAll('#updates details').forEach((details) => (details.open = true))")
    await console.page.until(
        "[...document.querySelectorAll('#updates pre')].every((pre) => pre.textContent.includes('\\n'))"
    )
    assert [json.loads(raw)["message"] for raw in await console.raw_texts()] == list(HOSTILE)
    await console.picture("console-hostile")


async def test_text_that_reorders_or_hides_is_written_out(console: Console) -> None:
    """A right-to-left override makes no name look like another; the raw view stays the same JSON."""
    project_id = new_project()
    await console.open(f"?project_id={project_id}")
    await console.chip(project_id, "live")
    for text in DECEIVING:
        await console.publish(project_id, {"type": text, "message": f"\u202e{text}\u2028", "family": "👩\u200d💻"})

    shown = await console.updates(project_id, len(DECEIVING))

    for (text, written), row in zip(DECEIVING.items(), shown, strict=True):
        assert written in row
        assert "\\u202e" in row
        assert not {"\u202e", "\u2028", "\u2029", "\u2066", "\x00", "\x1b"} & set(row), text
    assert [json.loads(raw)["type"] for raw in await console.raw_texts()] == list(DECEIVING)
    opened_text = await console.text("#updates")
    assert not {"\u202e", "\u2028", "\u2029", "\u2066", "\x00", "\x1b"} & set(opened_text), "nor in the tree"
    await console.picture("console-deceiving")


async def test_prose_keeps_what_scripts_and_emoji_need(console: Console) -> None:
    """Joiners, marks and line breaks are no deception in a message."""
    project_id, prose = new_project(), "שלום \u200fעולם\n👩\u200d💻 नमस्ते\u200d"  # noqa: RUF001 - Hebrew
    await console.open(f"?project_id={project_id}")
    await console.chip(project_id, "live")
    await console.publish(project_id, {"type": "note", "message": prose})
    await console.updates(project_id, 1)
    assert await console.text("#updates .summary") == prose


@pytest.mark.parametrize("text", [*HOSTILE, *DECEIVING])
async def test_a_hostile_project_name_is_text(console: Console, text: str) -> None:
    """From the address, which anybody can send to somebody: the chip, its problem and the choice for work show it."""
    await console.open(f"?project_id={quote(text, safe='')}")
    await console.page.until(
        "document.querySelector('#projects').textContent.includes('invalid_project_id')"
        " && document.querySelectorAll('#forward-project option').length >= 2"
    )
    names = await console.page.run(
        "[...document.querySelectorAll('#projects .project')].map((name) => name.textContent)"
    )
    choices = await console.page.run(
        "[...document.querySelectorAll('#forward-project option')].map((o) => o.textContent)"
    )
    parts = DECEIVING.get(text, text).replace(",", " ").split()
    for part in parts:
        assert any(part in name for name in names), (part, names)
    assert choices[1:] == names
    assert not set("".join(names)) & {"\u202e", "\u2028", "\u200b", "\ufeff", "\x00"}


async def test_hostile_work_is_text(console: Console) -> None:
    """What somebody sends themselves, too: it may have been pasted."""
    await console.open(f"?project_id={new_project()}")
    await console.state("live")
    for count, text in enumerate(HOSTILE, 1):
        await console.page.fill("#task", text if not text.startswith("{") else json.dumps({"task": text}))
        await console.page.click("#send")
        await console.page.until(f"document.querySelectorAll('#forwards li').length === {count}")
        await console.page.until("document.querySelector('#forwards li').dataset.status !== 'sending'")
        assert text in await console.text("#forwards li")


async def test_the_policy_stops_what_the_page_would_not(browser: Browser, gateway: Gateway, tmp_path: Path) -> None:
    """Were a text ever used as markup: no sink takes it, no inline script runs, nothing goes elsewhere; and a test
    that looks for violations would see them."""
    async with opened(browser, gateway, tmp_path) as console:
        page = console.page
        await console.open()
        await console.state("live")
        for sink in ("innerHTML = '<img src=x onerror=owned=1>'", "insertAdjacentHTML('beforeend', '<p>')"):
            with pytest.raises(AssertionError, match="TrustedHTML"):
                await page.run(f"document.body.{sink}")
        for attempt in (
            "const it = document.createElement('script'); it.append('owned=1'); document.body.append(it)",
            "const it = document.createElement('p'); it.setAttribute('onclick', 'owned=1'); document.body.append(it)",
            "new WebSocket('ws://127.0.0.2:9/')",
            "fetch('http://127.0.0.2:9/').catch(() => 0)",
        ):
            found = len(page.problems)
            try:
                await page.run(f"{{ {attempt} }}; 0")
            except AssertionError as refusal:
                page.problems.append(str(refusal))
            await page.run("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
            assert len(page.problems) > found, attempt
        assert await page.run("globalThis.owned ?? null") is None
        page.problems.clear()
