"""FIFO queues, visibility and dead letters, in `websocket-handler dev` and in the demo's emulator."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.support.queues import depth, drain, error_code


def test_a_duplicate_returns_the_first_message_id(sqs: Any, fifo_url: str) -> None:
    """The second send is accepted and stores nothing."""
    send = {"QueueUrl": fifo_url, "MessageGroupId": "group", "MessageDeduplicationId": "task-1"}

    first = sqs.send_message(MessageBody="x", **send)
    second = sqs.send_message(MessageBody="x", **send)

    assert second["MessageId"] == first["MessageId"]
    assert second["SequenceNumber"] == first["SequenceNumber"]
    assert drain(sqs, fifo_url) == ["x"]


def test_a_duplicate_of_a_deleted_message_stays_a_duplicate(sqs: Any, fifo_url: str) -> None:
    """A retry that arrives after the worker finished does not create a second task."""
    send = {"QueueUrl": fifo_url, "MessageGroupId": "group", "MessageDeduplicationId": "task-1"}
    first = sqs.send_message(MessageBody="x", **send)
    drain(sqs, fifo_url)

    again = sqs.send_message(MessageBody="x", **send)

    assert again["MessageId"] == first["MessageId"]
    assert drain(sqs, fifo_url) == []


def test_duplicates_within_a_batch_share_one_message(sqs: Any, fifo_url: str) -> None:
    """Both entries are answered under their own ids."""
    same = {"MessageBody": "x", "MessageGroupId": "group", "MessageDeduplicationId": "task-1"}

    answer = sqs.send_message_batch(QueueUrl=fifo_url, Entries=[{"Id": "a", **same}, {"Id": "b", **same}])

    assert [entry["Id"] for entry in answer["Successful"]] == ["a", "b"]
    assert len({entry["MessageId"] for entry in answer["Successful"]}) == 1
    assert drain(sqs, fifo_url) == ["x"]


def test_a_long_poll_gets_the_next_of_a_group_once_the_one_before_is_deleted(sqs: Any, fifo_url: str) -> None:
    """It began while the group was held back."""
    for body in ("first", "second"):
        sqs.send_message(QueueUrl=fifo_url, MessageBody=body, MessageGroupId="g", MessageDeduplicationId=body)
    [first] = sqs.receive_message(QueueUrl=fifo_url, MaxNumberOfMessages=1)["Messages"]
    with ThreadPoolExecutor(1) as pool:
        poll = pool.submit(sqs.receive_message, QueueUrl=fifo_url, WaitTimeSeconds=20)
        sqs.delete_message(QueueUrl=fifo_url, ReceiptHandle=first["ReceiptHandle"])
        assert [message["Body"] for message in poll.result(60)["Messages"]] == ["second"]


def test_a_group_gives_nothing_while_one_of_its_messages_is_in_flight(sqs: Any, fifo_url: str) -> None:
    """Other groups go on. A message that is given back comes again before those behind it."""
    for group, body in (("a", "a1"), ("a", "a2"), ("b", "b1")):
        sqs.send_message(QueueUrl=fifo_url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=body)

    [first] = sqs.receive_message(QueueUrl=fifo_url, MaxNumberOfMessages=1)["Messages"]
    others = sqs.receive_message(QueueUrl=fifo_url, MaxNumberOfMessages=10)["Messages"]
    sqs.change_message_visibility(QueueUrl=fifo_url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    again = sqs.receive_message(QueueUrl=fifo_url, MaxNumberOfMessages=10)["Messages"]

    assert [first["Body"], *(message["Body"] for message in others)] == ["a1", "b1"]
    assert [message["Body"] for message in again] == ["a1", "a2"]


def test_a_fifo_queue_wants_a_group_and_a_name_for_each_message(sqs: Any, fifo_url: str) -> None:
    assert error_code(sqs.send_message, QueueUrl=fifo_url, MessageBody="x") == "MissingParameter"
    error_code(sqs.send_message, QueueUrl=fifo_url, MessageBody="x", MessageGroupId="g")
    assert depth(sqs, fifo_url) == 0


def test_a_message_that_was_received_is_hidden_until_it_is_given_back(sqs: Any, queue_url: str) -> None:
    sqs.send_message(QueueUrl=queue_url, MessageBody="x")
    [first] = sqs.receive_message(QueueUrl=queue_url, AttributeNames=["ApproximateReceiveCount"])["Messages"]
    assert sqs.receive_message(QueueUrl=queue_url).get("Messages", []) == []
    entry = {"Id": "0", "ReceiptHandle": first["ReceiptHandle"], "VisibilityTimeout": 0}
    sqs.change_message_visibility_batch(QueueUrl=queue_url, Entries=[entry])
    [second] = sqs.receive_message(QueueUrl=queue_url, AttributeNames=["All"])["Messages"]
    assert [message["Attributes"]["ApproximateReceiveCount"] for message in (first, second)] == ["1", "2"]
    assert second["MessageId"] == first["MessageId"]


def test_a_message_that_was_received_too_often_is_a_dead_letter(sqs: Any, queue_url: str, other_url: str) -> None:
    """It keeps its id."""
    arn = sqs.get_queue_attributes(QueueUrl=other_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"RedrivePolicy": policy})
    sent = sqs.send_message(QueueUrl=queue_url, MessageBody="x")
    received = [sqs.receive_message(QueueUrl=queue_url, VisibilityTimeout=0).get("Messages", []) for _ in range(3)]
    [dead] = sqs.receive_message(QueueUrl=other_url)["Messages"]
    assert [len(messages) for messages in received] == [1, 1, 0]
    assert (dead["MessageId"], dead["Body"]) == (sent["MessageId"], "x")
    assert depth(sqs, queue_url) == 0


def test_a_receipt_handle_of_nobody_is_refused(sqs: Any, queue_url: str) -> None:
    assert error_code(sqs.delete_message, QueueUrl=queue_url, ReceiptHandle="none") == "ReceiptHandleIsInvalid"
