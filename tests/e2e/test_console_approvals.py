"""The console's page of approvals: what runs ask, how long there is to answer, and what was decided."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.e2e.browser import Browser
from tests.e2e.consoles import Console, opened
from tests.support.gateway import Gateway
from tests.support.links import new_project

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUESTION: Final = "document.querySelector('[data-interrupt=i-1]')"


@pytest_asyncio.fixture(loop_scope="session")
async def console(browser: Browser, gateway: Gateway, tmp_path: Path) -> AsyncIterator[Console]:
    """The console of an open gateway."""
    async with opened(browser, gateway, tmp_path) as page:
        yield page


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
            "expiresAt": int(time.time() * 1000) + 3_600_000,
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
    # The gateway tells of a run once the agent's queue has its task.
    await page.run("document.querySelector('.nav a[href=\"/console/runs\"]').click()")
    for run_id in ("decided-i-1", "decided-i-2"):
        await page.until(f"document.querySelector('#runs [data-run={run_id}]')?.dataset.status === 'open'")
    assert await page.run("document.querySelector('#runs [data-run=run-1]').dataset.status") == "done"
    assert project_id in await page.run("document.querySelector('#project-choice').value")


async def test_what_somebody_else_decided_is_no_question_any_more(console: Console) -> None:
    """It disappears, and who decided stands below."""
    project_id, page = await asked(console), console.page
    value = {"interruptId": "i-1", "status": "resolved", "payload": {"approved": False}, "by": "grace"}
    body = json.dumps(json.dumps({"type": "CUSTOM", "name": "wsh.decided", "runId": "run-1", "value": value}))
    path = f"/api/v1/projects/{project_id}/messages"
    assert await page.run(f"fetch('{path}', {{method: 'POST', body: {body}}}).then((r) => r.status)") == 200
    await page.until("document.querySelector('[data-decided=i-1]')?.textContent.includes('refused')")
    assert "by grace" in await page.text("[data-decided=i-1]")
    assert await page.run(f"{QUESTION} === null && document.querySelector('[data-interrupt=i-2]') !== null")
