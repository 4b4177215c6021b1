"""The process behind the gateway of `websocket-handler dev`: the queues in memory, and the demo agents.

`python -m websocket_handler.cli.dev.backstage REGION AGENTS READY`. AGENTS has the demo agents with commas between
them, or is empty. As soon as the queues can be used, the file READY has the environment that leads to them, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import uvloop

from websocket_handler.cli.dev.agents import DemoAgent
from websocket_handler.cli.dev.settings import AGENTS
from websocket_handler.cli.dev.sqs import Sqs
from websocket_handler.cli.dev.sqs_server import serving

HOST: Final = "127.0.0.1"
UPDATES: Final = "updates"
UPDATES_HIDDEN_S: Final = 5
"""What a gateway had received when it was killed comes again after this time. SQS's own default is 30 s."""
RECEIVES_MAX: Final = 5
CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
"""SDKs want some. Nobody checks them."""


async def create_queues(sqs: Sqs) -> dict[str, str]:
    """The queues of the agents and the updates queue, each with its dead-letter queue. Returns their URLs by name."""
    urls = {}
    for name in (*AGENTS, UPDATES):
        dead = await sqs.call("CreateQueue", {"QueueName": f"agenticai-{name}-local-dead-letters"})
        asked = {"QueueUrl": dead["QueueUrl"], "AttributeNames": ["QueueArn"]}
        arn = (await sqs.call("GetQueueAttributes", asked))["Attributes"]["QueueArn"]
        attributes = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": RECEIVES_MAX})}
        if name == UPDATES:
            attributes["VisibilityTimeout"] = str(UPDATES_HIDDEN_S)
        made = await sqs.call("CreateQueue", {"QueueName": f"agenticai-{name}-local", "Attributes": attributes})
        urls[name] = str(made["QueueUrl"])
    return urls


async def run(region: str, agents: Sequence[str], ready: Path) -> None:
    """Serve the queues and work on tasks, until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with serving(HOST, 0, region) as sqs:
        urls = await create_queues(sqs)
        working = [asyncio.create_task(DemoAgent(name, urls, sqs.call).run()) for name in agents]
        _write(
            ready, {**_environment(region, sqs.url), **{f"SQS_QUEUE_URL_{n.upper()}": url for n, url in urls.items()}}
        )
        await stopping.wait()
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)


def _environment(region: str, url: str) -> dict[str, str]:
    return {"AWS_ENDPOINT_URL": url, "AWS_REGION": region, "AWS_DEFAULT_REGION": region, **CREDENTIALS}


def _write(ready: Path, environment: dict[str, str]) -> None:
    """Write the file in one step, so that a reader never sees half of it."""
    partial = ready.with_name(f"{ready.name}.partial")
    partial.write_text(json.dumps(environment), encoding="utf-8")
    partial.replace(ready)


if __name__ == "__main__":
    _region, _agents, _ready = sys.argv[1:]
    uvloop.run(run(_region, _agents.split(",") if _agents else [], Path(_ready)))
