"""The console's page of approvals: what runs ask, how long there is to answer, and what was decided."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from tests.e2e.consoles import Console
from tests.support.links import new_project

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUESTION: Final = "document.querySelector('[data-interrupt=i-1]')"


async def said(console: Console, project_id: str, name: str, count: int) -> list[str]:
    """The values of the CUSTOM events of this name in the log, as soon as there are so many."""
    texts: list[str] = await console.page.run(
        "(async () => { for (;;) {"
        f" const {{messages}} = await (await fetch('/api/v1/projects/{project_id}/messages?limit=1000')).json();"
        f" const found = messages.filter((each) => each.name === '{name}');"
        f" if (found.length >= {count}) return found.map((each) => JSON.stringify(each.value)); }} }})()"
    )
    assert len(texts) == count
    return texts


async def asked(console: Console) -> str:
    """A run of a new project that has asked for two approvals; the page of approvals shows them."""
    project_id, page = new_project(), console.page
    await console.open(f"?project_id={project_id}")
    await console.chip(project_id, "live")
    names = {"threadId": project_id, "runId": "run-1", "agent": "ops"}
    call = {"toolCallId": "c", "runId": "run-1"}
    interrupts = [
        {
            "id": "i-1",
            "reason": "tool_call",
            "message": "Deploy 1.4.2 to production?",
            "toolCallId": "c",
            "expiresAt": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        },
        {"id": "i-2", "reason": "input_required", "message": "<b>Which</b> region?"},
    ]
    events: list[dict[str, Any]] = [
        {"type": "RUN_STARTED", **names},
        {"type": "TOOL_CALL_START", **call, "toolCallName": "deploy"},
        {"type": "TOOL_CALL_ARGS", **call, "delta": '{"version":"1.4.2"}'},
        {"type": "TOOL_CALL_END", **call},
        {"type": "RUN_FINISHED", **names, "outcome": {"type": "interrupt", "interrupts": interrupts}},
    ]
    body, path = json.dumps(json.dumps(events)), f"/api/v1/projects/{project_id}/messages"
    assert await page.run(f"fetch('{path}', {{method: 'POST', body: {body}}}).then((r) => r.status)") == 200
    await page.run("document.querySelector('.nav a[href=\"/console/approvals\"]').click()")
    await page.until(f"{QUESTION}?.textContent.includes('Deploy 1.4.2 to production?')")
    return project_id


async def test_an_answer_reaches_the_log_and_the_agent(console: Console) -> None:
    """The question shows what it is about and how long there is; the first answer is written down, with its comment."""
    project_id, page = await asked(console), console.page
    assert await page.run(f"{QUESTION}.querySelector('.args').textContent") == '{"version":"1.4.2"}'
    await page.until(f"/^59 min \\d+ s left$/.test({QUESTION}.querySelector('.countdown').textContent)")
    assert await page.run("document.querySelector('[data-interrupt=i-2] strong').textContent") == "<b>Which</b> region?"
    await page.fill("[data-interrupt=i-1] input", "after the backup")
    await console.shown_to_everybody("console-approvals")
    await page.click("[data-interrupt=i-1] .primary")
    await page.until("document.querySelector('[data-decided=i-1]')?.textContent.includes('“after the backup”')")
    assert await page.run("document.querySelector('[data-decided=i-1]').dataset.approved") == "true"
    await page.run("document.querySelector('[data-interrupt=i-2] .danger').click()")
    await page.until("document.querySelector('[data-decided=i-2]')?.dataset.approved === 'false'")
    await page.until("document.querySelector('#questions').children.length === 0")
    for text in await said(console, project_id, "wsh.answered", 2):
        assert json.loads(text)["taskId"].startswith("decision-"), "the agent's queue has it"
    await page.run("document.querySelector('.nav a[href=\"/console/runs\"]').click()")
    await page.until("document.querySelector('#runs [data-run=run-1]')")
    assert await page.run("document.querySelector('#runs [data-run=run-1]').dataset.status") == "done"
    assert project_id in await page.run("document.querySelector('#project-choice').value")


async def test_what_somebody_else_decided_is_no_question_any_more(console: Console) -> None:
    """It disappears, and who decided stands below."""
    project_id, page = await asked(console), console.page
    answer = {"payload": {"approved": False}, "agent": "ops"}
    assert await console.ask("POST", f"/api/v1/projects/{project_id}/interrupts/i-1", answer) == 200
    await page.until("document.querySelector('[data-decided=i-1]')?.textContent.includes('refused')")
    assert "by anybody" in await page.text("[data-decided=i-1]")
    await page.until(f"{QUESTION} === null")
    assert await page.run("document.querySelector('[data-interrupt=i-2]') !== null")


async def test_who_comes_second_hears_who_was_faster(console: Console) -> None:
    """Somebody answers between the click and its arrival: the agent gets that answer alone, and the page says so."""
    project_id, page = await asked(console), console.page
    other = json.dumps(json.dumps({"payload": {"approved": False}, "agent": "ops"}))
    await page.run(
        "globalThis.straight = fetch; globalThis.fetch = async (path, given) => {"
        f" if (given?.method === 'POST') await straight(path, {{...given, body: {other}}});"
        " return straight(path, given); }; 0"
    )
    await page.click("[data-interrupt=i-1] .primary")
    alert = "document.querySelector('.page [role=alert]')"
    await page.until(f"/^already_decided: anybody decided at \\d{{4}}-/.test({alert}.textContent.trim())")
    await page.until("document.querySelector('[data-decided=i-1]')?.dataset.approved === 'false'")
    [decided] = await said(console, project_id, "wsh.decided", 1)
    assert json.loads(decided)["payload"] == {"approved": False}


async def test_a_question_is_listed_although_the_page_has_not_loaded_its_run(console: Console) -> None:
    """The gateway says what is open; the page holds the newest part of the log alone."""
    project_id, page = new_project(), console.page
    names = {"threadId": project_id, "runId": "old", "agent": "qa"}
    outcome = {"type": "interrupt", "interrupts": [{"id": "i-1", "reason": "confirm", "message": "Go on?"}]}
    await console.publish(project_id, {"type": "RUN_STARTED", **names})
    await console.publish(project_id, {"type": "RUN_FINISHED", **names, "outcome": outcome})
    for _ in range(8):
        await console.publish(project_id, [{"type": "filler", "number": number} for number in range(100)])
    await console.open(f"console/approvals?project_id={project_id}")
    await page.until(f"{QUESTION}?.textContent.includes('Go on?')")
    assert await page.run(f"{QUESTION}.querySelector('a').textContent") == "old"
    await page.click("[data-interrupt=i-1] .primary")
    await page.until("document.querySelector('#questions').children.length === 0")
    [decided] = await said(console, project_id, "wsh.decided", 1)
    assert json.loads(decided)["agent"] == "qa"
    assert await page.run("document.querySelector('#decided') === null"), "the page has loaded the run"
