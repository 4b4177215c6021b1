"""The attributes of a queue, in `websocket-handler dev` and in the demo's emulator."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.queues import error_code


def of(sqs: Any, url: str, *names: str) -> dict[str, str]:
    """What a queue says of itself."""
    found: dict[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names))["Attributes"]
    return found


def test_what_is_set_is_read_again(sqs: Any, queue_url: str, other_url: str) -> None:
    arn = of(sqs, other_url, "QueueArn")["QueueArn"]
    policy = {"deadLetterTargetArn": arn, "maxReceiveCount": 5}
    given = {"VisibilityTimeout": "7", "MessageRetentionPeriod": "60", "RedrivePolicy": json.dumps(policy)}
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes=given)
    found = of(sqs, queue_url, "All")
    assert (found["VisibilityTimeout"], found["MessageRetentionPeriod"]) == ("7", "60")
    assert json.loads(found["RedrivePolicy"]) == policy
    assert set(of(sqs, queue_url, "VisibilityTimeout")) == {"VisibilityTimeout"}


def test_messages_are_counted_by_their_state(sqs: Any, queue_url: str) -> None:
    for delay in (0, 0, 900):
        sqs.send_message(QueueUrl=queue_url, MessageBody="x", DelaySeconds=delay)
    sqs.receive_message(QueueUrl=queue_url)
    name = "ApproximateNumberOfMessages"
    counts = of(sqs, queue_url, "All")
    assert [counts[f"{name}{which}"] for which in ("", "NotVisible", "Delayed")] == ["1", "1", "1"]


def test_a_fifo_queue_says_so(sqs: Any, fifo_url: str) -> None:
    assert of(sqs, fifo_url, "All")["FifoQueue"] == "true"


@pytest.mark.parametrize("wrong", [{"VisibilityTimeout": "43201"}, {"NoSuchAttribute": "1"}], ids=["number", "name"])
def test_what_a_queue_cannot_have_is_refused(dev_sqs: Any, wrong: dict[str, str]) -> None:
    """The emulator takes both."""
    error_code(dev_sqs.create_queue, QueueName="wrong", Attributes=wrong)
    assert (
        "QueueUrls" not in dev_sqs.list_queues(QueueNamePrefix="wrong")
        or not dev_sqs.list_queues(QueueNamePrefix="wrong")["QueueUrls"]
    )
