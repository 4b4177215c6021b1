"""The console's page of runs: growing texts, tools, where the time went, usage, errors; of AG-UI and of plain work."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.e2e.consoles import Console
from tests.support.links import new_project

pytestmark = pytest.mark.asyncio(loop_scope="session")

RUN: Final = "document.querySelector('.run-view')"
TOOL: Final = "document.querySelector('.part.call')"


async def say(console: Console, project_id: str, *events: dict[str, Any]) -> None:
    """Publish the events of an agent, in their order."""
    common = {"agent": "dev", "runId": "run-1", "task_id": "run-1"}
    body = json.dumps(json.dumps([{**common, **event} for event in events]))
    path = f"/api/v1/projects/{project_id}/messages"
    assert await console.page.run(f"fetch('{path}', {{method: 'POST', body: {body}}}).then((r) => r.status)") == 200


async def opened_runs(console: Console) -> str:
    """The page of runs of a new project."""
    project_id = new_project()
    await console.open(f"console/runs?project={project_id}")
    await console.state("live")
    await console.page.until("document.querySelector('#project-choice')?.value === " + json.dumps(project_id))
    return project_id


async def test_a_run_grows_before_the_eyes(console: Console) -> None:
    """Text and tools appear as they are written; the run ends with its usage, and the journey says where time went."""
    project_id, page = await opened_runs(console), console.page
    question = {"id": "q", "role": "user", "content": "Build a login page"}
    asked = {"threadId": project_id, "runId": "run-1", "messages": [question]}
    await say(console, project_id, {"type": "RUN_STARTED", "threadId": project_id, "input": asked})
    await console.page.until(f"{RUN}?.dataset.status === 'open'")
    assert await page.text("#run-title") == "Build a login page"
    text = {"messageId": "m"}
    await say(console, project_id, {"type": "TEXT_MESSAGE_START", **text})
    for word in ("Hel", "lo", " <b>you</b>"):
        await say(console, project_id, {"type": "TEXT_MESSAGE_CONTENT", **text, "delta": word})
    await page.until("document.querySelector('.part.text .grown')?.textContent === 'Hello <b>you</b>'")
    assert await page.run("document.querySelector('.part.text').dataset.open") == "true"
    call = {"toolCallId": "c"}
    await say(
        console,
        project_id,
        {"type": "TEXT_MESSAGE_END", **text},
        {"type": "STEP_STARTED", "stepName": "write files"},
        {"type": "TOOL_CALL_START", **call, "toolCallName": "write_file"},
        {"type": "TOOL_CALL_ARGS", **call, "delta": '{"path":'},
        {"type": "TOOL_CALL_ARGS", **call, "delta": '"login.tsx"}'},
    )
    await page.until(f"{TOOL}?.querySelector('.args')?.textContent === '{{\"path\":\"login.tsx\"}}'")
    await say(
        console,
        project_id,
        {"type": "TOOL_CALL_END", **call},
        {"type": "TOOL_CALL_RESULT", **call, "messageId": "r", "content": "42 lines"},
        {"type": "STEP_FINISHED", "stepName": "write files"},
    )
    await page.until(f"{TOOL}.querySelector('.result')?.textContent === '42 lines'")
    await console.shown_to_everybody("console-runs-open")
    used = [{"model": "m-1", "inputTokens": 1200, "outputTokens": 34, "cachedInputTokens": 200}]
    await say(console, project_id, {"type": "RUN_FINISHED", "threadId": project_id, "usage": used})
    await page.until(f"{RUN}.dataset.status === 'done'")
    assert await page.text("#usage") == "Tokens: 1,200 in (200 from the cache), 34 out · m-1"
    names = "[...document.querySelectorAll('.waterfall tbody th')].map((name) => name.textContent)"
    assert await page.run(names) == ["agent to first output", "output to the end", "write files", "write_file"]


async def test_failed_and_plain_work_is_seen_too(console: Console) -> None:
    """An error stands at its run; updates that name their task are a run; the address names one of several."""
    project_id, page = await opened_runs(console), console.page
    failed = {"type": "RUN_ERROR", "message": "the disk is full", "code": "failed"}
    await say(console, project_id, {"type": "RUN_STARTED", "threadId": project_id}, failed)
    await page.until(f"{RUN}?.dataset.status === 'failed'")
    assert await page.text("#run-error") == "failed: the disk is full"
    plain = {"task_id": "task-2", "runId": "", "agent": "qa"}
    await say(
        console,
        project_id,
        {**plain, "type": "qa_accepted", "text": "Accepted: test the login"},
        {**plain, "type": "qa_progress", "text": "12 of 40"},
        {**plain, "type": "qa_results", "text": "40 passed"},
    )
    await page.until("document.querySelector('#runs [data-run=task-2]')?.dataset.status === 'done'")
    await page.click("#runs [data-run=run-1] a")
    await page.until(f"{RUN}.dataset.run === 'run-1' && location.search.includes('run=run-1')")
    await page.click("#runs [data-run=task-2] a")
    await page.until(f"{RUN}.dataset.run === 'task-2'")
    said = "[...document.querySelectorAll('.part.of-said .said-text')].map((part) => part.textContent)"
    assert await page.run(said) == ["Accepted: test the login", "12 of 40", "40 passed"]
    await console.shown_to_everybody("console-runs-plain")


async def test_a_run_that_began_earlier_is_whole_after_a_look_back(console: Console) -> None:
    """The page holds the newest updates; it reads back as far as the reader wants."""
    project_id, page = new_project(), console.page
    await console.open("console/runs?project=other")
    await console.state("live")
    text = {"messageId": "m"}
    await say(
        console, project_id, {"type": "RUN_STARTED", "threadId": project_id}, {"type": "TEXT_MESSAGE_START", **text}
    )
    for _ in range(2):  # a batch has at most a hundred
        deltas = [{"type": "TEXT_MESSAGE_CONTENT", **text, "delta": "x", "n": n} for n in range(40)]
        await say(console, project_id, *deltas)
    await console.open(f"console/runs?project={project_id}")
    await page.until(f"{RUN}?.textContent.includes('It began before')")
    await page.click("#older-runs")
    await page.until(f"!{RUN}.textContent.includes('It began before')")
    await page.until(f"document.querySelector('.part.text .grown').textContent === '{'x' * 80}'")
