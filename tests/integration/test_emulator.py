"""The demo's AWS emulator stays correct under load and fails when it is told to.

The rules of SQS that it shares with the queues of `websocket-handler dev` are in tests/contract/cli/dev.
Every test talks over HTTP to one emulator process, through boto3 as agents do.
"""

from __future__ import annotations

import http.client
import itertools
import json
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.dynamodb.models.dynamo_type import DynamoType

from demo.dynamodb_fidelity import EDGES, Partition
from demo.resources import TABLE_NAME, create_resources
from demo.testing import Emulator
from tests.support.queues import drain, error_code, numbered

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


class TestManyCallers:
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

    def test_each_message_is_counted_once_while_it_is_hidden_and_shown(self, sqs: Any, queue_url: str) -> None:
        """The number of visible messages and the number of hidden ones are of the same moment."""
        sqs.send_message_batch(QueueUrl=queue_url, Entries=numbered(*map(str, range(10))))
        received = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)["Messages"]
        handles = [{"Id": str(place), "ReceiptHandle": one["ReceiptHandle"]} for place, one in enumerate(received)]
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts: list[int] = []

        def count() -> None:
            for _ in range(60):
                answer = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)
                counts.append(sum(map(int, answer["Attributes"].values())))

        with ThreadPoolExecutor(1) as pool:
            counting = pool.submit(count)
            for visible_after_s in itertools.cycle((0, 30)):
                if counting.done():
                    break
                entries = [{**handle, "VisibilityTimeout": visible_after_s} for handle in handles]
                sqs.change_message_visibility_batch(QueueUrl=queue_url, Entries=entries)
            counting.result()

        assert counts == [10] * 60

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
        assert drain(sqs, queue_url) == ["stored"]

    def test_throttling_speaks_the_language_of_each_service(self, sqs: Any, dynamodb: Any, emulator: Emulator) -> None:
        """SQS throttles requests, DynamoDB the throughput of a table."""
        for service in ("sqs", "dynamodb"):
            emulator.add_fault(service, "throttle")

        assert error_code(sqs.list_queues) == "ThrottlingException"
        assert error_code(dynamodb.list_tables) == "ProvisionedThroughputExceededException"

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

        answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=numbered(*"0123456789"))

        failed = {entry["Id"] for entry in answer["Failed"]}
        successful = {entry["Id"] for entry in answer["Successful"]}
        assert failed != set() != successful
        assert failed | successful == set("0123456789")
        assert not any(entry["SenderFault"] for entry in answer["Failed"])
        assert set(drain(sqs, queue_url)) == successful

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


class TestQueries:
    """A query answers as DynamoDB does, in whatever order the items were written."""

    KEYS = sorted(f"{number:02d}" for number in range(20))

    @pytest.fixture(scope="class")
    @classmethod
    def dynamodb(cls, emulator_process: Emulator) -> Iterator[Any]:
        """One client for all questions: none of them changes anything."""
        create_resources(emulator_process.url)
        with closing(emulator_process.client("dynamodb")) as client:
            yield client

    @pytest.fixture(scope="class")
    @classmethod
    def partition(cls, dynamodb: Any) -> str:
        partition, keys = uuid.uuid4().hex, [*cls.KEYS[1::2], *cls.KEYS[::2], "zz", *cls.KEYS[:5]]
        for name in (partition, f"{partition}-other"):
            for key in keys:
                item = {"PK": {"S": name}, "SK": {"S": key}, "n": {"N": key.replace("z", "9")}, "b": {"B": b"\0\xff"}}
                dynamodb.put_item(TableName=TABLE_NAME, Item=item)
            dynamodb.delete_item(TableName=TABLE_NAME, Key={"PK": {"S": name}, "SK": {"S": "zz"}})
        return partition

    @pytest.mark.parametrize("is_forward", [True, False])
    @pytest.mark.parametrize(
        ("condition", "operands", "expected"),
        [
            ("", (), KEYS),
            ("AND SK = :a", ("07",), ["07"]),
            ("AND SK < :a", ("07",), KEYS[:7]),
            ("AND SK <= :a", ("07",), KEYS[:8]),
            ("AND SK > :a", ("07",), KEYS[8:]),
            ("AND SK >= :a", ("07",), KEYS[7:]),
            ("AND SK BETWEEN :a AND :b", ("03", "075"), KEYS[3:8]),
            ("AND begins_with(SK, :a)", ("1",), KEYS[10:]),
            ("AND begins_with(SK, :a)", ("0",), KEYS[:10]),
            ("AND SK > :a", ("zz",), []),
        ],
    )
    @pytest.mark.parametrize("limit", [None, 1, 3])
    def test_pages_have_every_item_once(
        self,
        dynamodb: Any,
        partition: str,
        condition: str,
        operands: tuple[str, ...],
        expected: list[str],
        is_forward: bool,
        limit: int | None,
    ) -> None:
        values = {":p": partition, **dict(zip((":a", ":b"), operands, strict=False))}
        pages = dynamodb.get_paginator("query").paginate(
            TableName=TABLE_NAME,
            KeyConditionExpression=f"PK = :p {condition}",
            ExpressionAttributeValues={name: {"S": value} for name, value in values.items()},
            ScanIndexForward=is_forward,
            PaginationConfig={"PageSize": limit},
        )
        found = [page["Items"] for page in pages]
        keys = [item["SK"]["S"] for items in found for item in items]
        assert keys == (expected if is_forward else expected[::-1])
        assert all(len(items) <= (limit or len(self.KEYS)) for items in found)

    def test_an_item_has_what_was_written(self, dynamodb: Any, partition: str) -> None:
        answer = dynamodb.query(
            TableName=TABLE_NAME,
            KeyConditionExpression="PK = :p AND SK = :a",
            FilterExpression="n = :n",
            ExpressionAttributeValues={":p": {"S": partition}, ":a": {"S": "07"}, ":n": {"N": "7"}},
        )
        (item,) = answer["Items"]
        assert item == {"PK": {"S": partition}, "SK": {"S": "07"}, "n": {"N": "07"}, "b": {"B": b"\0\xff"}}

    @pytest.mark.parametrize("is_forward", [True, False])
    def test_a_query_looks_at_no_more_items_than_a_page_needs(self, is_forward: bool) -> None:
        partition = Partition()
        for number in range(1000):
            partition[DynamoType({"S": f"{number:04d}"})] = number
        bounds = [DynamoType({"S": "0300"}), DynamoType({"S": "0700"})]
        found = partition.candidates("BETWEEN", bounds, None, 5, is_forward)
        assert len(found) == 5 + EDGES
        assert (300 if is_forward else 700) in found
        assert len(partition.candidates("BETWEEN", bounds, bounds[0], 0, is_forward)) == (400 if is_forward else 0)


def test_deleted_resources_can_be_made_again_and_are_empty(sqs: Any, dynamodb: Any, emulator: Emulator) -> None:
    url = create_resources(emulator.url)["SQS_QUEUE_URL_DEV"]
    sqs.send_message(QueueUrl=url, MessageBody="x")

    emulator.delete_resources()
    assert sqs.list_queues().get("QueueUrls", []) == []
    assert dynamodb.list_tables()["TableNames"] == []

    create_resources(emulator.url)
    assert drain(sqs, url) == []


def test_requests_are_counted_per_operation(sqs: Any, emulator: Emulator, queue_url: str) -> None:
    """Also those that were refused."""
    before = emulator.request_count("sqs", "SendMessage")

    sqs.send_message(QueueUrl=queue_url, MessageBody="x")
    error_code(sqs.send_message, QueueUrl=queue_url, MessageBody="")

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
