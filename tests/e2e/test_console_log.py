"""The console's log: its rows near the reader's eyes only, its past, its filter, its addresses, its keys."""

from __future__ import annotations

import json
from typing import Final

import pytest

from tests.e2e.consoles import Console
from tests.support.links import new_project

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROWS: Final = "[...document.querySelectorAll('#updates .update')]"
OFFSETS: Final = f"{ROWS}.map((row) => Number(row.dataset.offset))"
LIST: Final = "document.querySelector('#updates')"


async def fill(console: Console, project_id: str, first: int, last: int) -> None:
    """Publish updates with the numbers of their offsets, a hundred at a time."""
    for begin in range(first, last + 1, 100):
        numbers = range(begin, min(begin + 100, last + 1))
        updates = [{"type": "dev_progress" if n % 10 else "qa_results", "text": f"step {n}"} for n in numbers]
        body = json.dumps(updates)
        path = f"/api/v1/projects/{project_id}/messages"
        assert (
            await console.page.run(
                f"fetch('{path}', {{method: 'POST', body: {json.dumps(body)}}}).then((r) => r.status)"
            )
            == 200
        )


async def test_the_whole_history_is_in_reach_and_few_rows_are_elements(console: Console) -> None:
    """Live updates are followed; the reader scrolls back to the first one; new ones do not move what is read."""
    project_id, page = new_project(), console.page
    await console.open(f"?project_id={project_id}")
    await console.chip(project_id, "live")
    await fill(console, project_id, 1, 60)
    await page.until(f"{OFFSETS}.at(-1) === 60")
    await console.open(f"p/{project_id}")
    await page.until(f"{OFFSETS}.at(-1) === 60")
    await fill(console, project_id, 61, 900)
    await page.until(f"{OFFSETS}.at(-1) === 900")
    assert await page.run(f"{ROWS}.length") < 120
    assert await page.run("document.querySelector('#newest').hidden")

    await page.run(f"{LIST}.scrollTop = 0")
    await page.until(f"{OFFSETS}[0] === 1")
    await page.until("document.querySelector('#log-status').textContent.includes('start of the log')")
    assert await page.run(f"{OFFSETS}.every((offset, index, all) => index === 0 || offset === all[index - 1] + 1)")
    seen = f"{ROWS}.find((row) => row.getBoundingClientRect().top >= {LIST}.getBoundingClientRect().top).dataset.offset"
    before = await page.run(seen)
    await fill(console, project_id, 901, 905)
    await page.until("document.querySelector('#newest').textContent === 'Newest (5 new)'")
    assert await page.run(seen) == before

    await page.click("#newest")
    await page.until(f"{OFFSETS}.at(-1) === 905 && document.querySelector('#newest').hidden")


async def test_an_address_names_a_position_and_a_filter_what_is_looked_for(console: Console) -> None:
    """The row is open and in sight; the words of the filter are in the address; a row says where it is."""
    project_id, page = new_project(), console.page
    await console.open(f"?project_id={project_id}")
    await console.chip(project_id, "live")
    await fill(console, project_id, 1, 400)
    await page.until(f"{OFFSETS}.at(-1) === 400")
    link = await page.run(f"{ROWS}.at(-1).querySelector('a.offset').getAttribute('href')")
    epoch = await page.run(f"{ROWS}.at(-1).dataset.epoch")
    assert link == f"/p/{project_id}@{epoch}:400"

    await console.open(f"p/{project_id}@{epoch}:57")
    await page.until("document.querySelector('.target .tree')?.textContent.includes('step 57')")
    box = await page.run(
        "(() => { const row = document.querySelector('.target').getBoundingClientRect(), list ="
        f" {LIST}.getBoundingClientRect(); return row.top >= list.top && row.top < list.bottom; }})()"
    )
    assert box
    assert await page.text(".target .position") == f"{project_id}@{epoch}:57"

    await page.fill("#filter", 'type:qa "step 50"')
    await page.until(f"JSON.stringify({OFFSETS}) === '[50]'")
    assert "q=type%3Aqa+%22step+50%22" in await page.run("location.search")
    await console.open(f"p/{project_id}@other:57")
    await console.says("#log-status", "The log of the time other is gone")
    await page.run(f"{LIST}.scrollTop = {LIST}.scrollHeight, 0")
    await page.until(f"{OFFSETS}.at(-1) > 200")
    await console.says("#log-status", "The log of the time other is gone")


async def test_the_keyboard_reaches_everything_and_nothing_is_hidden_from_a_screen_reader(console: Console) -> None:
    """`?` lists the keys, `/` filters, `j` goes through the rows, Enter opens one. axe finds no violation."""
    project_id, page = new_project(), console.page

    await console.open(f"?project_id={project_id}")
    await console.chip(project_id, "live")
    await fill(console, project_id, 1, 12)
    await page.until(f"{OFFSETS}.length === 12")
    await page.fill("#task", '{"task": "Build a login page"}')
    await page.click("#send")
    await page.until("document.querySelector('#forwards .step.reached')")
    await page.run("document.activeElement.blur()")
    await console.press("?")
    await page.until("document.querySelector('#keys').open")
    await page.run("document.querySelector('#keys').close()")
    await console.press("/")
    assert await page.run("document.activeElement.id") == "filter"
    await console.press("Escape")
    await console.press("j")
    await console.press("j")
    assert await page.run("document.activeElement.className") == "toggle"
    await console.press("Enter")
    await page.until("document.querySelector('#updates .tree')")
    await console.shown_to_everybody("console-log")


async def test_a_publication_from_the_console_says_where_it_is(console: Console) -> None:
    """The publish form, and what it answers."""
    project_id, page = new_project(), console.page
    await console.open(f"?project_id={project_id}")
    await console.chip(project_id, "live")
    await page.click("#switch-form")
    await page.fill("#publication", "[1]")
    await page.click("#publish")
    await console.says("#publish-outcome", "a publication is an object")
    await page.fill("#publication", '{"type": "note", "big": 12345678901234567890}')
    await page.click("#publish")
    await console.says("#publish-outcome", f"Published as {project_id}@")
    await page.until(f"JSON.stringify({OFFSETS}) === '[1]'")
