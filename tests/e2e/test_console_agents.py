"""The console's page of agents: who works on what, and who was heard when."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.consoles import Console
from tests.support.links import new_project

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_operator_sees_what_an_agent_works_on_until_it_ends(console: Console) -> None:
    """With the lease of the run, and the way to the run itself. A task that waits has none."""
    project_id, page = new_project(), console.page
    names = {"threadId": project_id, "agent": "qa"}
    await console.open("console/agents")
    await page.until("document.querySelector('[data-agent=qa]')")
    begun, queued = f"run-{project_id}", f"queued-{project_id}"
    events: list[dict[str, Any]] = [
        {"type": "RUN_STARTED", "runId": begun, **names},
        {"type": "RUN_STARTED", "runId": queued, **names},
        {"type": "CUSTOM", "name": "wsh.queued", "value": {}, "runId": queued},
    ]
    await console.publish(project_id, events)
    row, other = (f"document.querySelector('[data-run=\"{run_id}\"]')" for run_id in (begun, queued))
    await page.until(f"{row}?.dataset.state === 'working' && {row}.textContent.includes('ends in')")
    await page.until(f"{other}?.dataset.state === 'waiting' && {other}.textContent.includes('waits in the queue')")
    await page.until("document.querySelector('[data-agent=qa]').textContent.includes('ago')")
    await console.shown_to_everybody("console-agents")
    await console.publish(project_id, {"type": "RUN_FINISHED", "runId": begun, **names})
    await page.until(f"{row} === null && {other} !== null")
    await page.run(f"{other}.querySelector('a').click()")
    await page.until(f"location.search.includes('{queued}')")
