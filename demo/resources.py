"""What the gateway and the agents need on AWS: agent queues, the updates queue and the table.

Works against any endpoint that speaks SQS and DynamoDB; the demo uses its own emulator.
"""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

from websocket_handler.cli.deploy_local import create_queue, create_table

AGENTS = ("pm", "dev", "qa", "ops")
TABLE_NAME = "agenticai-data-local"
DUMMY_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


def create_resources(
    endpoint_url: str, *, fifo: bool = False, region: str = "us-east-1", updates_hidden_s: int | None = None
) -> dict[str, str]:
    """Creates queues and table where they are missing and returns the environment for the gateway.

    Each of the five queues gets a dead-letter queue, to which a message moves after five receives. With
    `fifo` all of them are FIFO queues. `updates_hidden_s` is the visibility timeout of the updates queue; without it,
    SQS's default. Raises botocore's errors.
    """
    sqs = _client("sqs", endpoint_url, region)
    environment = {
        f"SQS_QUEUE_URL_{name.upper()}": create_queue(sqs, f"agenticai-{name}-local{'.fifo' if fifo else ''}")
        for name in (*AGENTS, "updates")
    }
    if updates_hidden_s is not None:
        attributes = {"VisibilityTimeout": str(updates_hidden_s)}
        sqs.set_queue_attributes(QueueUrl=environment["SQS_QUEUE_URL_UPDATES"], Attributes=attributes)
    create_table(_client("dynamodb", endpoint_url, region), TABLE_NAME)
    return {
        **environment,
        **DUMMY_CREDENTIALS,
        "DYNAMODB_TABLE_NAME": TABLE_NAME,
        "AWS_REGION": region,
        "AWS_ENDPOINT_URL": endpoint_url,
    }


def _client(service: str, endpoint_url: str, region: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id=DUMMY_CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=DUMMY_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        config=Config(proxies={"http": None, "https": None}),  # the endpoint is this machine
    )
