"""Operations on queues and messages, in `websocket-handler dev` and in the demo's emulator."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import Any
from uuid import uuid4

from tests.support.queues import drain, error_code, numbered

CALLERS = 8
GONE = "AWS.SimpleQueueService.NonExistentQueue"


def test_a_queue_is_found_by_its_name_and_made_once(sqs: Any) -> None:
    name = f"queue-{uuid4().hex}"
    assert error_code(sqs.get_queue_url, QueueName=name) == GONE
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    assert sqs.create_queue(QueueName=name)["QueueUrl"] == url
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == url
    assert sqs.list_queues(QueueNamePrefix=name)["QueueUrls"] == [url]
    sqs.delete_queue(QueueUrl=url)
    for call in (sqs.receive_message, sqs.purge_queue):
        assert error_code(call, QueueUrl=url) == GONE


def test_attributes_of_a_message_come_with_it_if_somebody_asks(sqs: Any, queue_url: str) -> None:
    sent = {
        "ProjectId": {"DataType": "String", "StringValue": "é"},
        "Count": {"DataType": "Number.int", "StringValue": "3"},
        "Data": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    first = sqs.send_message(QueueUrl=queue_url, MessageBody="x", MessageAttributes=sent)
    [plain] = sqs.receive_message(QueueUrl=queue_url, VisibilityTimeout=0)["Messages"]
    [full] = sqs.receive_message(QueueUrl=queue_url, VisibilityTimeout=0, MessageAttributeNames=["All"])["Messages"]
    [some] = sqs.receive_message(QueueUrl=queue_url, MessageAttributeNames=["Project.*", "Count"])["Messages"]
    assert "MessageAttributes" not in plain
    assert full["MessageAttributes"] == sent
    assert full["MD5OfMessageAttributes"] == first["MD5OfMessageAttributes"]
    assert full["MD5OfBody"] == first["MD5OfMessageBody"]
    assert "Count" in some["MessageAttributes"]


def test_a_purged_queue_is_empty(sqs: Any, queue_url: str) -> None:
    sqs.send_message_batch(QueueUrl=queue_url, Entries=numbered("a", "b"))
    sqs.purge_queue(QueueUrl=queue_url)
    assert drain(sqs, queue_url) == []


def test_messages_are_deleted_in_a_batch(sqs: Any, queue_url: str) -> None:
    """What is gone already counts as deleted."""
    sqs.send_message_batch(QueueUrl=queue_url, Entries=numbered("a", "b"))
    messages = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)["Messages"]
    entries = [{"Id": str(i), "ReceiptHandle": message["ReceiptHandle"]} for i, message in enumerate(messages)]
    for _ in range(2):
        answer = sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)
        assert [entry["Id"] for entry in answer["Successful"]] == ["0", "1"]
    bad = sqs.delete_message_batch(QueueUrl=queue_url, Entries=[{"Id": "x", "ReceiptHandle": "none"}])
    assert [(entry["Id"], entry["Code"]) for entry in bad["Failed"]] == [("x", "ReceiptHandleIsInvalid")]


def test_no_message_is_lost_or_doubled(sqs: Any, queue_url: str) -> None:
    """Eight callers send, receive and delete at the same time."""
    batches_per_caller = 20
    expected = {
        f"{caller}-{batch}-{entry}"
        for caller in range(CALLERS // 2)
        for batch in range(batches_per_caller)
        for entry in range(10)
    }
    received: list[str] = []

    def send(caller: int) -> None:
        for batch in range(batches_per_caller):
            bodies = [f"{caller}-{batch}-{entry}" for entry in range(10)]
            answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=numbered(*bodies))
            assert len(answer["Successful"]) == 10

    def receive() -> None:
        while len(received) < len(expected):
            answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                received.append(message["Body"])
                sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])

    with ThreadPoolExecutor(CALLERS) as pool:
        calls = [pool.submit(send, caller) for caller in range(CALLERS // 2)]
        calls += [pool.submit(receive) for _ in range(CALLERS // 2)]
        for call in calls:
            call.result(60)

    assert len(received) == len(expected)
    assert set(received) == expected


def test_a_long_poll_wakes_at_once(sqs: Any, queue_url: str) -> None:
    """Each message ends the wait of one caller."""
    with ThreadPoolExecutor(3) as pool:
        polls = {pool.submit(sqs.receive_message, QueueUrl=queue_url, WaitTimeSeconds=20) for _ in range(3)}
        received: list[str] = []
        for number in range(3):
            sqs.send_message(QueueUrl=queue_url, MessageBody=str(number))
            done, polls = wait(polls, return_when=FIRST_COMPLETED)
            received += [message["Body"] for poll in done for message in poll.result().get("Messages", [])]
    assert received == ["0", "1", "2"]
