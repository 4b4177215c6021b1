"""The queues and the table of a system on one machine, in the emulator: what is made, and what is left as it is."""

import json
from typing import Any
from uuid import uuid4

import pytest

from demo.resources import DUMMY_CREDENTIALS
from demo.testing import Emulator
from websocket_handler.cli import EXIT_USAGE
from websocket_handler.cli.deploy_local import RECEIVES_BEFORE_DEAD_LETTER, create, create_queue, create_table, main
from websocket_handler.config import ConfigurationError

AGENTS = ("PM", "DEV", "QA", "OPS")


@pytest.fixture
def environment(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The settings of a gateway whose queues and table are not there yet."""
    for name, value in DUMMY_CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    mark = uuid4().hex
    urls = {f"SQS_QUEUE_URL_{name}": f"{emulator.url}/123456789012/{name.lower()}-{mark}" for name in AGENTS}
    urls["SQS_QUEUE_URL_OPS"] += ".fifo"
    urls["SQS_QUEUE_URL_UPDATES"] = f"{emulator.url}/123456789012/updates-{mark}"
    more = {"DYNAMODB_TABLE_NAME": f"table-{mark}", "AWS_ENDPOINT_URL": emulator.url, "AWS_REGION": "us-east-1"}
    return {**urls, **more}


def attributes(sqs: Any, name: str) -> dict[str, str]:
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    found: dict[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return found


def test_every_queue_that_the_settings_name_is_made_with_its_dead_letter_queue(
    environment: dict[str, str], sqs: Any, dynamodb: Any
) -> None:
    names = [url.rpartition("/")[2] for name, url in environment.items() if name.startswith("SQS_")]
    lines = create(environment)
    assert sorted(lines) == sorted(
        [*(f"queue {name}" for name in names), f"table {environment['DYNAMODB_TABLE_NAME']}"]
    )
    for name in names:
        base, dot, fifo = name.partition(".fifo")
        policy = json.loads(attributes(sqs, name)["RedrivePolicy"])
        dead = attributes(sqs, f"{base}-dead-letters{dot}{fifo}")
        assert policy["deadLetterTargetArn"] == dead["QueueArn"]
        assert int(policy["maxReceiveCount"]) == RECEIVES_BEFORE_DEAD_LETTER
        assert (dead.get("FifoQueue") == "true") == bool(dot), "both of them, or none"


def test_the_table_has_its_keys_and_its_items_expire(environment: dict[str, str], dynamodb: Any) -> None:
    create(environment)
    name = environment["DYNAMODB_TABLE_NAME"]
    table = dynamodb.describe_table(TableName=name)["Table"]
    assert {key["KeyType"]: key["AttributeName"] for key in table["KeySchema"]} == {"HASH": "PK", "RANGE": "SK"}
    expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert (expiry["TimeToLiveStatus"], expiry["AttributeName"]) == ("ENABLED", "ttl")


def test_what_is_there_stays_with_what_is_in_it(environment: dict[str, str], sqs: Any, dynamodb: Any) -> None:
    first = create(environment)
    url = sqs.get_queue_url(QueueName=environment["SQS_QUEUE_URL_DEV"].rpartition("/")[2])["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="work")
    item = {"PK": {"S": "a"}, "SK": {"S": "b"}}
    dynamodb.put_item(TableName=environment["DYNAMODB_TABLE_NAME"], Item=item)
    assert create(environment) == first
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == "work"
    assert dynamodb.get_item(TableName=environment["DYNAMODB_TABLE_NAME"], Key=item)["Item"] == item


def test_each_part_can_be_made_alone(sqs: Any, dynamodb: Any) -> None:
    name = f"queue-{uuid4().hex}"
    assert create_queue(sqs, name).endswith(name)
    create_table(dynamodb, name)
    create_table(dynamodb, name)


def test_it_is_for_an_emulator_and_never_for_aws(environment: dict[str, str]) -> None:
    del environment["AWS_ENDPOINT_URL"]
    with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL"):
        create(environment)


def test_the_command_tells_what_is_ready_or_what_is_wrong(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main() == 0
    assert capsys.readouterr().out.count("ready: ") == 6
    monkeypatch.delenv("DYNAMODB_TABLE_NAME")
    assert main() == EXIT_USAGE
    written = capsys.readouterr()
    assert (written.out, "DYNAMODB_TABLE_NAME" in written.err) == ("", True)
