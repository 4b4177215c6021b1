"""The deadline of a call, in virtual time."""

import asyncio
from typing import Any, cast

import pytest

from tests.support.virtual_time import be_busy, in_virtual_time
from websocket_handler.adapters.aws.errors import AwsError
from websocket_handler.adapters.aws.sdk import Aws, AwsClient


class Client:
    """A client of DynamoDB whose answers take a while."""

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s

    async def query(self) -> dict[str, Any]:
        await asyncio.sleep(self._latency_s)
        return {"Items": []}


class SlowAws(Aws):
    """The SDK with that client."""

    def __init__(self, latency_s: float) -> None:
        super().__init__()
        self._client = Client(latency_s)

    async def open(self, service: str) -> AwsClient:
        return cast("AwsClient", self._client)


@in_virtual_time
async def test_an_answer_that_does_not_come_in_time_is_a_transient_fault() -> None:
    with pytest.raises(AwsError, match="no answer in 2 s") as caught:
        await SlowAws(2.5).call("dynamodb", "query", 2.0)
    assert caught.value.fault.is_operators is False


@in_virtual_time
async def test_an_answer_that_came_while_the_event_loop_was_busy_is_in_time() -> None:
    asyncio.get_running_loop().call_later(0.5, be_busy, 10.0)
    assert await SlowAws(1.5).call("dynamodb", "query", 2.0) == {"Items": []}
