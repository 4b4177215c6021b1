"""The console's page of queues: what waits, what failed, and the way back for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from demo.testing import Emulator
from tests.e2e.browser import Browser
from tests.e2e.consoles import opened
from tests.support.gateway import running_gateway
from websocket_handler.cli.deploy_local import RECEIVES_BEFORE_DEAD_LETTER, create_queue

pytestmark = pytest.mark.asyncio(loop_scope="session")


def row(queue: str) -> str:
    return f"document.querySelector('[data-queue={queue}]')"


def shows(queue: str, *counts: int) -> str:
    """The condition that a queue shows these counts: waiting, in flight, dead letters."""
    cells = f"[...({row(queue)}?.querySelectorAll('td') ?? [])].slice(0, 3).map((cell) => cell.textContent)"
    return (
        f"JSON.stringify({cells}) === {json.dumps(json.dumps([str(count) for count in counts], separators=(',', ':')))}"
    )


async def test_an_operator_finds_dead_letters_and_sends_them_back(
    browser: Browser, settings: dict[str, str], emulator_process: Emulator, tmp_path: Path
) -> None:
    """After a question that says what will happen. The agent gets the task anew, and the deed is in the overview."""
    sqs: Any = emulator_process.client("sqs")
    url = create_queue(sqs, f"queue-{uuid4().hex}")
    sqs.send_message(QueueUrl=url, MessageBody='{"poison":true}')
    for _ in range(RECEIVES_BEFORE_DEAD_LETTER + 1):
        sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)
    for body in ("a", "b", "c"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    sqs.receive_message(QueueUrl=url, VisibilityTimeout=600)
    gone = f"{url}-gone"
    with running_gateway(settings, SQS_QUEUE_URL_DEV=url, SQS_QUEUE_URL_OPS=gone) as gateway:
        async with opened(browser, gateway, tmp_path) as console:
            page = console.page
            await console.open("console/queues")
            await page.until(shows("dev", 2, 1, 1))
            assert await page.run(f"{row('pm')}.querySelector('button') === null"), "it has no dead letter"
            assert "NonExistentQueue" in await page.run("document.querySelector('[data-fault=ops]').textContent")
            await page.run(f"{row('dev')}.querySelector('button').click()")
            await page.until(f"{row('dev')}.textContent.includes('Move 1 back to dev?')")
            await console.shown_to_everybody("console-queues")
            await page.run(f"{row('dev')}.querySelector('.danger').click()")
            await console.says("#queue-said", "1 dead letter goes back to the queue dev.")
            await page.until(shows("dev", 3, 1, 0))
            await page.run("document.querySelector('.nav a[href=\"/console/overview\"]').click()")
            await page.until("document.querySelector('#actions')?.textContent.includes('redrive')")
    sqs.close()
