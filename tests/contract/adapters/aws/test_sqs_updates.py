"""What the updates queue on SQS does beyond the port: visibility, outages, attributes."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from demo.testing import Emulator
from tests.support.ports_testing import all_of
from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.sqs_updates import SqsUpdateSource
from websocket_handler.ports.update_source import SourceUnavailable

pytestmark = pytest.mark.asyncio


async def test_visibility_is_read_and_asked_for(aws: Aws, sqs: Any, queue_url: str) -> None:
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"VisibilityTimeout": "77"})
    source = SqsUpdateSource(queue_url, aws.call, long_poll_s=0)
    assert source.hidden_s == 30
    assert list(await source.receive()) == []
    assert source.hidden_s == 77


@pytest.mark.parametrize(("seconds", "hidden_s"), [("1", 1), ("110", 110), ("111", 110), ("43200", 110)])
async def test_a_message_is_not_hidden_for_so_long_that_its_key_is_forgotten(
    aws: Aws, sqs: Any, queue_url: str, seconds: str, hidden_s: float
) -> None:
    """A queue may hide messages for 12 hours. What a killed node had received has to come again much sooner."""
    asked: list[int] = []

    async def call(service: str, operation: str, timeout_s: float, **parameters: Any) -> dict[str, Any]:
        if operation == "receive_message":
            asked.append(parameters["VisibilityTimeout"])
        elif operation == "change_message_visibility_batch":
            asked.append(parameters["Entries"][0]["VisibilityTimeout"])
        return await aws.call(service, operation, timeout_s, **parameters)

    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"VisibilityTimeout": seconds})
    sqs.send_message(QueueUrl=queue_url, MessageBody="a")
    source = SqsUpdateSource(queue_url, call, long_poll_s=0)
    [update] = await all_of(source, 1)
    await source.extend([update.handle])
    assert source.hidden_s == hidden_s
    assert set(asked) == {hidden_s}


async def test_visibility_without_the_right_to_read_it(aws: Aws, sqs: Any, queue_url: str) -> None:
    asked: list[dict[str, Any]] = []

    async def call(service: str, operation: str, timeout_s: float, **parameters: Any) -> dict[str, Any]:
        asked.append({"operation": operation, **parameters})
        if operation == "get_queue_attributes":
            raise AwsError(Fault.DENIED, "AccessDenied", "no")
        return await aws.call(service, operation, timeout_s, **parameters)

    sqs.send_message(QueueUrl=queue_url, MessageBody="a")
    source = SqsUpdateSource(queue_url, call, long_poll_s=0)
    [update] = await all_of(source, 1)
    assert source.hidden_s == 30
    await source.extend([update.handle])
    assert [one.get("VisibilityTimeout") for one in asked] == [None, 30, None]
    assert asked[-1]["Entries"][0]["VisibilityTimeout"] == 30
    await source.receive()
    assert [one["operation"] for one in asked].count("get_queue_attributes") == 1


async def test_extending_sets_anew_how_long_it_stays_hidden(aws: Aws, sqs: Any, queue_url: str) -> None:
    sqs.send_message(QueueUrl=queue_url, MessageBody="a")
    source = SqsUpdateSource(queue_url, aws.call, long_poll_s=0)
    [update] = await all_of(source, 1)
    await source.extend([update.handle])
    assert list(await source.receive()) == []
    source.hidden_s = 0  # the one length that can be seen without waiting
    await source.extend([update.handle])
    assert [again.body for again in await all_of(source, 1)] == [b"a"]


async def test_handing_a_message_back_does_not_give_its_receive_back(sqs: Any, queue_url: str) -> None:
    """Why a consumer holds what it cannot publish: a visibility of 0 makes it visible, but the receive counts."""
    dead_url, source_policy = dead_letters_of(sqs, receives_max=3)
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes=source_policy)
    sqs.send_message(QueueUrl=queue_url, MessageBody="a")
    for count in range(1, 4):
        answer = sqs.receive_message(QueueUrl=queue_url, AttributeNames=["ApproximateReceiveCount"])
        [message] = answer["Messages"]
        assert message["Attributes"]["ApproximateReceiveCount"] == str(count)
        sqs.change_message_visibility(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert "Messages" not in sqs.receive_message(QueueUrl=queue_url)
    assert [message["Body"] for message in sqs.receive_message(QueueUrl=dead_url)["Messages"]] == ["a"]


def dead_letters_of(sqs: Any, *, receives_max: int) -> tuple[str, dict[str, str]]:
    """A dead-letter queue, and the attributes of a queue whose messages go there."""
    url = sqs.create_queue(QueueName=f"queue-{uuid4().hex}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": receives_max})
    return url, {"RedrivePolicy": policy}


async def test_one_bad_handle_does_not_keep_the_others(aws: Aws, sqs: Any, queue_url: str) -> None:
    sqs.send_message(QueueUrl=queue_url, MessageBody="a")
    source = SqsUpdateSource(queue_url, aws.call, long_poll_s=0)
    [update] = await all_of(source, 1)
    await source.delete(["garbage", update.handle])
    answer = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])["Attributes"]
    assert answer["ApproximateNumberOfMessagesNotVisible"] == "0"


@pytest.mark.parametrize("mode", ["error", "throttle"])
async def test_an_outage_is_told_and_heals(aws: Aws, sqs: Any, queue_url: str, emulator: Emulator, mode: str) -> None:
    source = SqsUpdateSource(queue_url, aws.call, long_poll_s=0)
    sqs.send_message(QueueUrl=queue_url, MessageBody="a")
    emulator.add_fault("sqs", mode)
    for _ in range(2):
        with pytest.raises(SourceUnavailable):
            await source.receive()
    with pytest.raises(SourceUnavailable):
        await source.delete(["x"])
    emulator.clear_faults()
    assert [update.body for update in await all_of(source, 1)] == [b"a"]


async def test_a_queue_that_failed_is_next_asked_without_waiting_for_messages(aws: Aws, queue_url: str) -> None:
    """So that it is known at once that it answers again, and not only after a long poll."""
    waits: list[int] = []

    async def call(service: str, operation: str, timeout_s: float, **parameters: Any) -> dict[str, Any]:
        if operation == "receive_message":
            waits.append(parameters["WaitTimeSeconds"])
            if len(waits) == 1:
                raise AwsError(Fault.TRANSIENT, "ServiceUnavailable", "later")
        return await aws.call(service, operation, timeout_s, **parameters)

    source = SqsUpdateSource(queue_url, call, long_poll_s=1)
    with pytest.raises(SourceUnavailable):
        await source.receive()
    await source.receive()
    await source.receive()
    assert waits == [1, 0, 1]


async def test_a_missing_queue_is_told(aws: Aws, queue_url: str) -> None:
    with pytest.raises(SourceUnavailable, match="NonExistentQueue"):
        await SqsUpdateSource(queue_url + "-gone", aws.call).receive()


async def test_a_cancelled_receive_loses_nothing(aws: Aws, sqs: Any, queue_url: str, emulator: Emulator) -> None:
    """The poll that nobody waits for may still take the message: it comes again after its visibility."""
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"VisibilityTimeout": "1"})
    source = SqsUpdateSource(queue_url, aws.call, long_poll_s=20)
    receiving = asyncio.create_task(source.receive())
    await asyncio.to_thread(emulator.wait_until_under_way, 1, "sqs", "ReceiveMessage")
    receiving.cancel()
    await asyncio.wait([receiving])
    sqs.send_message(QueueUrl=queue_url, MessageBody="a")
    assert [update.body for update in await all_of(source, 1)] == [b"a"]


async def test_the_attributes_that_say_whom_it_is_for_arrive_and_no_others(aws: Aws, sqs: Any, queue_url: str) -> None:
    text, binary = {"DataType": "String", "StringValue": "p"}, {"DataType": "Binary", "BinaryValue": b"p"}
    sent = [
        ({"ProjectId": text, "Other": text}, {"ProjectId": "p"}),
        ({"ProjectId": binary}, {"ProjectId": None}),
        ({"project_id": text, "projectid": text, "broadcast": text}, {}),
        ({"Broadcast": {"DataType": "String", "StringValue": "true"}}, {"Broadcast": "true"}),
        (
            {"Broadcast": binary, "ProjectId": {"DataType": "Number", "StringValue": "42"}},
            {"Broadcast": None, "ProjectId": None},
        ),
        ({"ProjectId": {"DataType": "String.project", "StringValue": "p"}}, {"ProjectId": "p"}),
    ]
    for index, (attributes, _) in enumerate(sent):
        sqs.send_message(QueueUrl=queue_url, MessageBody=str(index), MessageAttributes=attributes)
    updates = await all_of(SqsUpdateSource(queue_url, aws.call, long_poll_s=0), len(sent))
    assert {int(update.body): update.attributes for update in updates} == dict(enumerate(found for _, found in sent))


async def test_a_group_of_a_fifo_queue_comes_in_order_and_only_once_the_last_were_deleted(
    aws: Aws, sqs: Any, fifo_url: str
) -> None:
    """Why nothing is put in order there: the queue does it, and gives no message of a group while one is hidden."""
    source = SqsUpdateSource(fifo_url, aws.call, long_poll_s=0)
    assert source.is_ordered
    for index in range(15):
        fifo = {"MessageGroupId": "p", "MessageDeduplicationId": str(index)}
        sqs.send_message(QueueUrl=fifo_url, MessageBody=str(index), **fifo)
    first = await source.receive()
    assert [update.body for update in first] == [b"%d" % index for index in range(10)]
    assert list(await source.receive()) == []
    await source.extend([update.handle for update in first])
    await source.delete([update.handle for update in first])
    assert [update.body for update in await source.receive()] == [b"%d" % index for index in range(10, 15)]
