"""What the gateway and the agents need on AWS: agent queues, the updates queue and the table.

Works against any endpoint that speaks SQS and DynamoDB; the demo uses its own emulator.
"""

from __future__ import annotations

import json
from typing import Any

import boto3
from botocore.config import Config

AGENTS = ("pm", "dev", "qa", "ops")
TABLE_NAME = "agenticai-data-local"
RECEIVES_BEFORE_DEAD_LETTER = 5
DUMMY_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


def create_resources(endpoint_url: str, *, fifo: bool = False, region: str = "us-east-1") -> dict[str, str]:
    """Creates queues and table where they are missing and returns the environment for the gateway.

    Each of the five queues gets a dead-letter queue, to which a message moves after five receives. With
    `fifo` all of them are FIFO queues. Raises botocore's errors.
    """
    sqs = _client("sqs", endpoint_url, region)
    environment = {
        f"SQS_QUEUE_URL_{name.upper()}": _create_queue(sqs, f"agenticai-{name}-local", fifo=fifo)
        for name in (*AGENTS, "updates")
    }
    _create_table(_client("dynamodb", endpoint_url, region))
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


def _create_queue(sqs: Any, name: str, *, fifo: bool) -> str:
    """Creates a queue and its dead-letter queue and returns the queue's URL."""
    suffix, attributes = (".fifo", {"FifoQueue": "true"}) if fifo else ("", {})
    dead_letters = sqs.create_queue(QueueName=f"{name}-dead-letters{suffix}", Attributes=attributes)
    arn = sqs.get_queue_attributes(QueueUrl=dead_letters["QueueUrl"], AttributeNames=["QueueArn"])
    redrive = {
        "deadLetterTargetArn": arn["Attributes"]["QueueArn"],
        "maxReceiveCount": RECEIVES_BEFORE_DEAD_LETTER,
    }
    queue = sqs.create_queue(
        QueueName=f"{name}{suffix}", Attributes={**attributes, "RedrivePolicy": json.dumps(redrive)}
    )
    return str(queue["QueueUrl"])


def _create_table(dynamodb: Any) -> None:
    keys = {"PK": "HASH", "SK": "RANGE"}
    try:
        dynamodb.create_table(
            TableName=TABLE_NAME,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
            KeySchema=[{"AttributeName": name, "KeyType": role} for name, role in keys.items()],
        )
    except dynamodb.exceptions.ResourceInUseException:
        return
    # A real table needs seconds to become usable; the first look at an emulated one succeeds.
    waiter = dynamodb.get_waiter("table_exists")
    waiter.wait(TableName=TABLE_NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    dynamodb.update_time_to_live(
        TableName=TABLE_NAME, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"}
    )
