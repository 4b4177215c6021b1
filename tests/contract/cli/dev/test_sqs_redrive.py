"""`StartMessageMoveTask`, in `websocket-handler dev` and in the demo's emulator."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from tests.support.queues import depth, drain, error_code, numbered


def arn_of(sqs: Any, url: str) -> str:
    return str(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])


def buried(sqs: Any, url: str, dead_url: str, *bodies: str) -> None:
    """Let messages become dead letters."""
    policy = json.dumps({"deadLetterTargetArn": arn_of(sqs, dead_url), "maxReceiveCount": 1})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})
    sqs.send_message_batch(QueueUrl=url, Entries=numbered(*bodies))
    while sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages"):
        pass
    assert depth(sqs, dead_url) == len(bodies)


def test_dead_letters_come_back_as_new_messages(sqs: Any, queue_url: str, other_url: str) -> None:
    """With another id, and with no receives."""
    buried(sqs, queue_url, other_url, "a", "b")
    [before] = sqs.receive_message(QueueUrl=other_url, VisibilityTimeout=0)["Messages"]
    assert sqs.start_message_move_task(SourceArn=arn_of(sqs, other_url))["TaskHandle"]
    assert (depth(sqs, other_url), depth(sqs, queue_url)) == (0, 2)
    back = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0, AttributeNames=["All"])
    assert {one["Attributes"]["ApproximateReceiveCount"] for one in back["Messages"]} == {"1"}
    assert before["MessageId"] not in {one["MessageId"] for one in back["Messages"]}


def test_what_somebody_reads_among_the_dead_letters_stays(sqs: Any, queue_url: str, other_url: str) -> None:
    buried(sqs, queue_url, other_url, "a", "b")
    [held] = sqs.receive_message(QueueUrl=other_url)["Messages"]
    sqs.start_message_move_task(SourceArn=arn_of(sqs, other_url))
    assert drain(sqs, queue_url) == [{"a": "b", "b": "a"}[held["Body"]]]


def test_what_is_no_dead_letter_queue_is_refused(sqs: Any, queue_url: str) -> None:
    arn = arn_of(sqs, queue_url)
    assert error_code(sqs.start_message_move_task, SourceArn=arn) == "InvalidParameterValue"
    gone = f"{arn.rpartition(':')[0]}:{uuid4().hex}"
    assert error_code(sqs.start_message_move_task, SourceArn=gone) == "ResourceNotFoundException"
