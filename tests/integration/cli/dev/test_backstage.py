"""The process behind the gateway of `websocket-handler dev`: what it writes when it is ready, and its end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE_S
from websocket_handler.cli.dev.backstage import Config, create_queues, run
from websocket_handler.cli.dev.sqs import Sqs

pytestmark = pytest.mark.asyncio
NAMES = ("pm", "dev", "qa", "ops", "updates")


async def test_each_queue_has_dead_letters_and_updates_come_again_soon() -> None:
    sqs = Sqs("http://127.0.0.1:1", "eu-west-1")
    urls = await create_queues(sqs)
    assert tuple(urls) == NAMES
    for name, url in urls.items():
        queue = sqs.queues[url.rpartition("/")[2]]
        assert queue.dead_letters is sqs.queues[f"agenticai-{name}-local-dead-letters"]
        assert queue.settings.receives_max == 5
        assert queue.settings.visibility_s == (5 if name == "updates" else 30)
        assert queue.arn.startswith("arn:aws:sqs:eu-west-1:")
    assert await create_queues(sqs) == urls


async def test_its_environment_leads_to_the_queues_and_sigterm_ends_it(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    running = asyncio.create_task(run(Config("us-east-1", ["pm"]), ready))
    async with asyncio.timeout(PATIENCE_S):
        while not ready.exists():  # noqa: ASYNC110 - as its starter does
            await asyncio.sleep(0)
        environment = json.loads(ready.read_text(encoding="utf-8"))
        os.kill(os.getpid(), signal.SIGTERM)
        await running
    for name in NAMES:
        assert environment[f"SQS_QUEUE_URL_{name.upper()}"].startswith(environment["AWS_ENDPOINT_URL"])
    assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == "us-east-1"
