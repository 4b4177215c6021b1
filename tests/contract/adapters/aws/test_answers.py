"""What the light client reads from the answers of SQS and DynamoDB. `test_wire.py` compares it with the SDK."""

import json

import pytest

from tests.support.scripted_server import http_answer, scripted_server
from tests.support.wire_testing import EVER_S, PATIENT, PlainAws
from websocket_handler.adapters.aws.errors import AwsError
from websocket_handler.adapters.aws.wire import AwsWire

pytestmark = pytest.mark.asyncio


async def test_a_page_has_its_bytes_and_an_empty_page_its_list() -> None:
    item = b'{"PK":{"S":"WS#LOG#p"},"n":{"N":"2"},"d":{"B":"AP8="},"o":{"L":[]}}'
    page = http_answer(b'{"Count":1,"Items":[%b],"LastEvaluatedKey":{"PK":{"S":"x"}}}' % item)
    async with scripted_server([page], [http_answer(b'{"Items":[]}')]) as server, PlainAws(server.url) as aws:
        wire = AwsWire(aws, PATIENT)
        found = await wire.call("dynamodb", "query", EVER_S)
        empty = await wire.call("dynamodb", "query", EVER_S)
    assert found["Items"] == [{"PK": {"S": "WS#LOG#p"}, "n": {"N": "2"}, "d": {"B": b"\x00\xff"}, "o": {}}]
    assert found["LastEvaluatedKey"] == {"PK": {"S": "x"}}
    assert empty == {"Items": []}


async def test_a_message_with_half_a_character_does_not_hide_the_others() -> None:
    answer = http_answer(b'{"Messages":[{"Body":"\\ud800"},{"Body":"fine"}]}')
    async with scripted_server([answer]) as server, PlainAws(server.url) as aws:
        found = await AwsWire(aws, PATIENT).call("sqs", "receive_message", EVER_S)
    assert [message["Body"] for message in found["Messages"]] == ["\ud800", "fine"]


@pytest.mark.parametrize(("operation", "is_taken"), [("receive_message", True), ("get_queue_attributes", False)])
async def test_only_an_answer_with_messages_may_be_large(operation: str, is_taken: bool) -> None:
    answer = http_answer(json.dumps({"Messages": [{"Body": "x" * 1_000_000}] * 10}).encode())
    async with scripted_server([answer]) as server, PlainAws(server.url) as aws:
        wire = AwsWire(aws)
        if is_taken:
            assert len((await wire.call("sqs", operation, EVER_S))["Messages"]) == 10
        else:
            with pytest.raises(AwsError, match="too long"):
                await wire.call("sqs", operation, EVER_S)
