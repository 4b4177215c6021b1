"""Updates as SNS puts them into the queue, written by moto's SNS and not by us."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from demo.resources import DUMMY_CREDENTIALS
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.update import ATTRIBUTES, ForEverybody, ForProject, read_update

OBJECT = '{"type":"qa_results","text":"\\"é😀\\"\\n","n":1.50}'
TEXT = {"DataType": "String"}


class Account:
    """An updates queue and a topic in an account of their own."""

    def __init__(self) -> None:
        clients = {"region_name": "us-east-1", "aws_access_key_id": "local", "aws_secret_access_key": "local"}
        self.sqs: Any = boto3.client("sqs", **clients)
        self.sns: Any = boto3.client("sns", **clients)
        self.url = self.sqs.create_queue(QueueName="updates")["QueueUrl"]
        names = ["QueueArn"]
        self.arn = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]["QueueArn"]

    def topic(self, *, is_raw: bool) -> str:
        """A topic that the queue is subscribed to; its ARN."""
        arn: str = self.sns.create_topic(Name="updates")["TopicArn"]
        raw = {"RawMessageDelivery": str(is_raw).lower()}
        self.sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=self.arn, Attributes=raw)
        return arn

    def received(self) -> ForProject | ForEverybody:
        """The update that is in the queue. Raises CommandError when it is malformed."""
        answer = self.sqs.receive_message(QueueUrl=self.url, MessageAttributeNames=list(ATTRIBUTES))
        [message] = answer["Messages"]
        self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        attributes = {name: value.get("StringValue") for name, value in message.get("MessageAttributes", {}).items()}
        return read_update(message["Body"].encode(), attributes)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name, value in DUMMY_CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield Account()


@pytest.mark.parametrize("is_raw", [True, False], ids=["raw", "wrapped"])
def test_through_sns(account: Account, is_raw: bool) -> None:
    topic = account.topic(is_raw=is_raw)
    attributes = {"ProjectId": {**TEXT, "StringValue": "p"}, "Other": {"DataType": "Binary", "BinaryValue": b"x"}}
    account.sns.publish(TopicArn=topic, Message=OBJECT, MessageAttributes=attributes)
    found = account.received()
    assert isinstance(found, ForProject)
    assert (found.project_id, found.message.body.decode()) == ("p", OBJECT)

    account.sns.publish(TopicArn=topic, Message='{"project_id":"q"}', Subject="results")
    found = account.received()
    assert isinstance(found, ForProject)
    assert (found.project_id, found.message.body) == ("q", b'{"project_id":"q"}')

    attributes = {"Broadcast": {**TEXT, "StringValue": "true"}}
    account.sns.publish(TopicArn=topic, Message=OBJECT, MessageAttributes=attributes)
    found = account.received()
    assert isinstance(found, ForEverybody)
    assert found.message.body.decode() == OBJECT

    account.sns.publish(TopicArn=topic, Message=OBJECT)
    with pytest.raises(CommandError) as caught:
        account.received()
    assert caught.value.code is ErrorCode.MISSING_FIELD
