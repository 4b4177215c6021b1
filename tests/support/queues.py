"""What tests do with queues through boto3, whatever serves them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


def error_code(call: Callable[..., Any], **arguments: Any) -> str:
    """The code of the error that a call gets."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def numbered(*bodies: str) -> list[dict[str, Any]]:
    """The entries of a batch, with their numbers as ids."""
    return [{"Id": str(index), "MessageBody": body} for index, body in enumerate(bodies)]


def attributes(count: int) -> dict[str, Any]:
    """So many message attributes."""
    return {f"name{index}": {"DataType": "String", "StringValue": "value"} for index in range(count)}


def depth(sqs: Any, queue_url: str) -> int:
    """How many messages are visible."""
    name = "ApproximateNumberOfMessages"
    answer = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=[name])
    return int(answer["Attributes"][name])


def drain(sqs: Any, queue_url: str) -> list[str]:
    """Receive and delete everything that is visible."""
    bodies: list[str] = []
    while messages := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            bodies.append(message["Body"])
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    return bodies
