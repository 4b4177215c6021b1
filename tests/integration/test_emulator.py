"""The demo's AWS emulator refuses what SQS refuses, stays correct under load and fails when it is told to.

Every test talks over HTTP to one emulator process, through boto3 as agents do.
"""

from __future__ import annotations

import http.client
import json
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.resources import TABLE_NAME, create_resources
from demo.testing import Emulator

CALLERS = 8


@pytest.fixture
def sqs(emulator: Emulator) -> Iterator[Any]:
    """A client that never retries, so that each test sees each answer."""
    with closing(emulator.client("sqs")) as client:
        yield client


@pytest.fixture
def dynamodb(emulator: Emulator) -> Iterator[Any]:
    """A client that never retries, with the demo's table in place."""
    create_resources(emulator.url)
    with closing(emulator.client("dynamodb")) as client:
        yield client


@pytest.fixture
def queue_url(sqs: Any) -> str:
    """A new standard queue."""
    return str(sqs.create_queue(QueueName=f"queue-{uuid.uuid4().hex}")["QueueUrl"])


@pytest.fixture
def fifo_url(sqs: Any) -> str:
    """A new FIFO queue with explicit deduplication ids."""
    queue = sqs.create_queue(QueueName=f"queue-{uuid.uuid4().hex}.fifo", Attributes={"FifoQueue": "true"})
    return str(queue["QueueUrl"])


def _error_code(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def _entries(*bodies: str) -> list[dict[str, Any]]:
    return [{"Id": str(index), "MessageBody": body} for index, body in enumerate(bodies)]


def _attributes(count: int) -> dict[str, Any]:
    return {f"name{index}": {"DataType": "String", "StringValue": "value"} for index in range(count)}


def _depth(sqs: Any, queue_url: str) -> int:
    name = "ApproximateNumberOfMessages"
    answer = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=[name])
    return int(answer["Attributes"][name])


def _drain(sqs: Any, queue_url: str) -> list[str]:
    bodies: list[str] = []
    while messages := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            bodies.append(message["Body"])
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


class TestWhatSqsRefuses:
    @pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1b", "\ufffe", "\uffff"])
    def test_invalid_characters_are_refused(self, sqs: Any, queue_url: str, character: str) -> None:
        """A body may only hold the characters that XML 1.0 allows."""
        code = _error_code(sqs.send_message, QueueUrl=queue_url, MessageBody=f"a{character}b")

        assert code == "InvalidMessageContents"
        assert _depth(sqs, queue_url) == 0

    @pytest.mark.parametrize("text", ["\t\n\r", "\x7f\x85", "\ue000\ufffd", "Grüße 🚀"])
    def test_all_other_characters_are_accepted(self, sqs: Any, queue_url: str, text: str) -> None:
        """What is allowed comes back unchanged."""
        sqs.send_message(QueueUrl=queue_url, MessageBody=text)

        assert _drain(sqs, queue_url) == [text]

    def test_an_empty_body_is_refused(self, sqs: Any, queue_url: str) -> None:
        """A message has at least one character."""
        assert _error_code(sqs.send_message, QueueUrl=queue_url, MessageBody="") == "MissingParameter"

    def test_a_message_has_at_most_ten_attributes(self, sqs: Any, queue_url: str) -> None:
        """Ten are accepted, eleven are not."""
        sqs.send_message(QueueUrl=queue_url, MessageBody="x", MessageAttributes=_attributes(10))

        code = _error_code(sqs.send_message, QueueUrl=queue_url, MessageBody="x", MessageAttributes=_attributes(11))

        assert code == "InvalidParameterValue"
        assert _depth(sqs, queue_url) == 1

    def test_the_size_limit_counts_bytes(self, sqs: Any, queue_url: str) -> None:
        """A body of less than a million characters can be larger than 1 MiB."""
        code = _error_code(sqs.send_message, QueueUrl=queue_url, MessageBody="é" * 600_000)

        assert code == "InvalidParameterValue"

    def test_a_batch_names_its_bad_entries(self, sqs: Any, queue_url: str) -> None:
        """The good entries are stored; the bad ones come back with the sender at fault."""
        entries = _entries("first", "bad\x00", "", "last", "x")
        entries[4]["MessageAttributes"] = _attributes(11)

        answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)

        assert [entry["Id"] for entry in answer["Successful"]] == ["0", "3"]
        assert {entry["Id"]: (entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]} == {
            "1": ("InvalidMessageContents", True),
            "2": ("MissingParameter", True),
            "4": ("InvalidParameterValue", True),
        }
        assert sorted(_drain(sqs, queue_url)) == ["first", "last"]

    def test_a_batch_with_one_id_twice_is_refused_as_a_whole(self, sqs: Any, queue_url: str) -> None:
        """Also when the repeated entry is a bad one."""
        entries = [{"Id": "same", "MessageBody": "x"}, {"Id": "same", "MessageBody": "\x00"}]

        code = _error_code(sqs.send_message_batch, QueueUrl=queue_url, Entries=entries)

        assert code == "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"
        assert _depth(sqs, queue_url) == 0


class TestFifo:
    def test_a_duplicate_returns_the_first_message_id(self, sqs: Any, fifo_url: str) -> None:
        """The second send is accepted and stores nothing."""
        send = {"QueueUrl": fifo_url, "MessageGroupId": "group", "MessageDeduplicationId": "task-1"}

        first = sqs.send_message(MessageBody="x", **send)
        second = sqs.send_message(MessageBody="x", **send)

        assert second["MessageId"] == first["MessageId"]
        assert second["SequenceNumber"] == first["SequenceNumber"]
        assert _drain(sqs, fifo_url) == ["x"]

    def test_a_duplicate_of_a_deleted_message_stays_a_duplicate(self, sqs: Any, fifo_url: str) -> None:
        """A retry that arrives after the worker finished does not create a second task."""
        send = {"QueueUrl": fifo_url, "MessageGroupId": "group", "MessageDeduplicationId": "task-1"}
        first = sqs.send_message(MessageBody="x", **send)
        _drain(sqs, fifo_url)

        again = sqs.send_message(MessageBody="x", **send)

        assert again["MessageId"] == first["MessageId"]
        assert _drain(sqs, fifo_url) == []

    def test_duplicates_within_a_batch_share_one_message(self, sqs: Any, fifo_url: str) -> None:
        """Both entries are answered under their own ids."""
        same = {"MessageBody": "x", "MessageGroupId": "group", "MessageDeduplicationId": "task-1"}

        answer = sqs.send_message_batch(QueueUrl=fifo_url, Entries=[{"Id": "a", **same}, {"Id": "b", **same}])

        assert [entry["Id"] for entry in answer["Successful"]] == ["a", "b"]
        assert len({entry["MessageId"] for entry in answer["Successful"]}) == 1
        assert _drain(sqs, fifo_url) == ["x"]

    def test_a_long_poll_gets_the_next_of_a_group_once_the_one_before_is_deleted(self, sqs: Any, fifo_url: str) -> None:
        """It began while the group was held back."""
        for body in ("first", "second"):
            sqs.send_message(QueueUrl=fifo_url, MessageBody=body, MessageGroupId="g", MessageDeduplicationId=body)
        [first] = sqs.receive_message(QueueUrl=fifo_url, MaxNumberOfMessages=1)["Messages"]
        with ThreadPoolExecutor(1) as pool:
            poll = pool.submit(sqs.receive_message, QueueUrl=fifo_url, WaitTimeSeconds=20)
            sqs.delete_message(QueueUrl=fifo_url, ReceiptHandle=first["ReceiptHandle"])
            assert [message["Body"] for message in poll.result(60)["Messages"]] == ["second"]


class TestManyCallers:
    def test_no_message_is_lost_or_doubled(self, sqs: Any, queue_url: str) -> None:
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
                answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=_entries(*bodies))
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

    def test_a_long_poll_blocks_nobody_and_wakes_at_once(self, sqs: Any, emulator: Emulator, queue_url: str) -> None:
        """Seven waiting callers leave the eighth free to send, and each message ends the wait of one of them."""
        waiting = CALLERS - 1
        with ThreadPoolExecutor(waiting) as pool:
            polls = {
                pool.submit(sqs.receive_message, QueueUrl=queue_url, WaitTimeSeconds=20, MaxNumberOfMessages=1)
                for _ in range(waiting)
            }
            emulator.wait_until_under_way(waiting, "sqs", "ReceiveMessage")
            received: list[str] = []
            for number in range(waiting):
                sqs.send_message(QueueUrl=queue_url, MessageBody=str(number))
                done, polls = wait(polls, return_when=FIRST_COMPLETED)
                received += [message["Body"] for poll in done for message in poll.result().get("Messages", [])]

        assert received == [str(number) for number in range(waiting)]

    def test_a_client_that_left_takes_no_message_with_it(self, sqs: Any, emulator: Emulator, queue_url: str) -> None:
        """A restarted worker finds the work that arrived while its old long poll was still open."""
        connection = http.client.HTTPConnection(emulator.url.removeprefix("http://"))
        body = json.dumps({"QueueUrl": queue_url, "WaitTimeSeconds": 20})
        headers = {"X-Amz-Target": "AmazonSQS.ReceiveMessage", "Content-Type": "application/x-amz-json-1.0"}
        with ThreadPoolExecutor(1) as pool:
            staying = pool.submit(sqs.receive_message, QueueUrl=queue_url, WaitTimeSeconds=20)
            emulator.wait_until_under_way(1, "sqs", "ReceiveMessage")
            connection.request("POST", "/", body, headers)
            emulator.wait_until_under_way(2, "sqs", "ReceiveMessage")
            connection.close()
            emulator.wait_until_under_way(1, "sqs", "ReceiveMessage")
            assert not staying.done(), "it began first: the other one did not wait for its end"
            sqs.send_message(QueueUrl=queue_url, MessageBody="x")
            messages = staying.result()["Messages"]

        assert [message["Body"] for message in messages] == ["x"]

    def test_one_of_many_conditional_writes_wins(self, dynamodb: Any) -> None:
        """`attribute_not_exists` is checked and the item written in one step."""
        partition = uuid.uuid4().hex

        def put(segment: int) -> bool:
            try:
                dynamodb.put_item(
                    TableName=TABLE_NAME,
                    Item={"PK": {"S": partition}, "SK": {"S": str(segment)}},
                    ConditionExpression="attribute_not_exists(PK)",
                )
            except dynamodb.exceptions.ConditionalCheckFailedException:
                return False
            return True

        with ThreadPoolExecutor(CALLERS) as pool:
            written = list(pool.map(put, [number // CALLERS for number in range(10 * CALLERS)]))

        assert sum(written) == 10


class TestFaults:
    def test_an_error_fault_answers_500_and_stores_nothing(self, sqs: Any, queue_url: str, emulator: Emulator) -> None:
        """It hits its own operation only, and ends by itself after the requests it was made for."""
        emulator.add_fault("sqs", "error", operation="SendMessage", for_requests=1)

        sqs.list_queues()
        with pytest.raises(ClientError) as caught:
            sqs.send_message(QueueUrl=queue_url, MessageBody="refused")
        sqs.send_message(QueueUrl=queue_url, MessageBody="stored")

        assert caught.value.response["Error"]["Code"] == "InternalFailure"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
        assert _drain(sqs, queue_url) == ["stored"]

    def test_throttling_speaks_the_language_of_each_service(self, sqs: Any, dynamodb: Any, emulator: Emulator) -> None:
        """SQS throttles requests, DynamoDB the throughput of a table."""
        for service in ("sqs", "dynamodb"):
            emulator.add_fault(service, "throttle")

        assert _error_code(sqs.list_queues) == "ThrottlingException"
        assert _error_code(dynamodb.list_tables) == "ProvisionedThroughputExceededException"

    def test_a_stalled_request_is_answered_late(self, sqs: Any, emulator: Emulator) -> None:
        """The operation is done after the wait."""
        emulator.add_fault("sqs", "stall", operation="ListQueues", stall_s=0.3, for_requests=1)
        started_at = time.monotonic()

        sqs.list_queues()

        assert time.monotonic() - started_at >= 0.3

    def test_removing_the_faults_releases_stalled_requests(self, sqs: Any, emulator: Emulator) -> None:
        """No test has to sit out a stall that it made."""
        emulator.add_fault("sqs", "stall", operation="ListQueues", stall_s=60)

        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(sqs.list_queues)
            emulator.wait_until_under_way(1, "sqs", "ListQueues")
            emulator.clear_faults()

        assert call.exception() is None

    def test_a_partial_fault_fails_some_entries_of_a_batch(self, sqs: Any, queue_url: str, emulator: Emulator) -> None:
        """Failed entries are the service's fault and are not stored; the others are."""
        emulator.add_fault("sqs", "partial", operation="SendMessageBatch", seed=7)

        answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=_entries(*"0123456789"))

        failed = {entry["Id"] for entry in answer["Failed"]}
        successful = {entry["Id"] for entry in answer["Successful"]}
        assert failed != set() != successful
        assert failed | successful == set("0123456789")
        assert not any(entry["SenderFault"] for entry in answer["Failed"])
        assert set(_drain(sqs, queue_url)) == successful

    def test_the_seed_repeats_a_run(self, sqs: Any, emulator: Emulator) -> None:
        """The same seed makes the same requests fail."""

        def fails() -> bool:
            try:
                sqs.list_queues()
            except ClientError:
                return True
            return False

        runs = []
        for _ in range(2):
            emulator.add_fault("sqs", "error", operation="ListQueues", probability=0.5, seed=42)
            runs.append([fails() for _ in range(20)])
            emulator.clear_faults()

        assert runs[0] == runs[1]
        assert set(runs[0]) == {True, False}

    @pytest.mark.parametrize("wrong", [{"service": "s3"}, {"mode": "explode"}, {"probability": 2}, {"for_requests": 0}])
    def test_a_wrong_fault_is_refused(self, emulator: Emulator, wrong: dict[str, Any]) -> None:
        """The answer says what is wrong."""
        with pytest.raises(ValueError, match="must be"):
            emulator.add_fault(**{"service": "sqs", "mode": "error", **wrong})


def test_deleted_resources_can_be_made_again_and_are_empty(sqs: Any, dynamodb: Any, emulator: Emulator) -> None:
    url = create_resources(emulator.url)["SQS_QUEUE_URL_DEV"]
    sqs.send_message(QueueUrl=url, MessageBody="x")

    emulator.delete_resources()
    assert sqs.list_queues().get("QueueUrls", []) == []
    assert dynamodb.list_tables()["TableNames"] == []

    create_resources(emulator.url)
    assert _drain(sqs, url) == []


def test_requests_are_counted_per_operation(sqs: Any, emulator: Emulator, queue_url: str) -> None:
    """Also those that were refused."""
    before = emulator.request_count("sqs", "SendMessage")

    sqs.send_message(QueueUrl=queue_url, MessageBody="x")
    _error_code(sqs.send_message, QueueUrl=queue_url, MessageBody="")

    assert emulator.request_count("sqs", "SendMessage") == before + 2


@pytest.mark.parametrize("fifo", [False, True])
def test_resources_are_complete_and_creating_them_again_changes_nothing(
    sqs: Any, emulator: Emulator, fifo: bool
) -> None:
    """Five queues with a dead-letter queue each, one table, and the environment that names them."""
    environment = create_resources(emulator.url, fifo=fifo)

    assert create_resources(emulator.url, fifo=fifo) == environment
    urls = [value for name, value in environment.items() if name.startswith("SQS_QUEUE_URL_")]
    assert len(urls) == 5
    for url in urls:
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] == 5
        assert url.endswith(".fifo") is fifo
    assert environment["DYNAMODB_TABLE_NAME"] == TABLE_NAME
    assert environment["AWS_ENDPOINT_URL"] == emulator.url
