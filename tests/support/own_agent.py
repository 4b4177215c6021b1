"""An agent of a newcomer's own: it is pasted into a shell together with what the demo prints."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from tests.support.demo_process import DemoProcess
from tests.support.gateway import clean_environment
from tests.support.patience import PATIENCE_S

_AGENT = """
import boto3, json, os
sqs = boto3.client("sqs")
answer = sqs.receive_message(QueueUrl=os.environ["SQS_QUEUE_URL_DEV"], WaitTimeSeconds=20)
task = json.loads(answer["Messages"][0]["Body"])
update = {"project_id": task["project_id"], "type": "mine", "did": task["data"]}
sqs.send_message(QueueUrl=os.environ["SQS_QUEUE_URL_UPDATES"], MessageBody=json.dumps(update))
"""


async def answer_as_dev(demo: DemoProcess, then: str = "") -> None:
    """Take one task of the agent `dev`, answer it, and run the Python line `then`. Raises AssertionError unless the
    agent ends well."""
    shell = await asyncio.create_subprocess_exec(
        "bash", "-c", f'{demo.exports}\n"$0" -c "$1"', sys.executable, _AGENT + then, env=clean_environment({})
    )
    assert await asyncio.wait_for(shell.wait(), PATIENCE_S) == 0


def is_own_update(update: dict[str, Any], data: object) -> bool:
    """True if the agent's answer to a task with `data` is this update."""
    return (update["type"], update["did"]) == ("mine", data)
