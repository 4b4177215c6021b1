"""The deadline of a call, in virtual time."""

import asyncio
from typing import Any

import pytest

from tests.support.virtual_time import be_busy, in_virtual_time
from websocket_handler.adapters.aws.errors import AwsError
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.wire import AwsWire


class SlowWire(AwsWire):
    """A light client whose answers take a while."""

    def __init__(self, latency_s: float) -> None:
        super().__init__(Aws())
        self._latency_s = latency_s

    async def _way(self, service: str) -> Any:
        return service

    async def _send(self, way: Any, operation: str, body: bytes) -> dict[str, Any]:
        await asyncio.sleep(self._latency_s)
        return {"way": way}


@in_virtual_time
async def test_an_answer_that_does_not_come_in_time_is_a_transient_fault() -> None:
    with pytest.raises(AwsError, match="no answer in 2 s"):
        await SlowWire(2.5).call("dynamodb", "put_item", 2.0)


@in_virtual_time
async def test_an_answer_that_came_while_the_event_loop_was_busy_is_in_time() -> None:
    asyncio.get_running_loop().call_later(0.5, be_busy, 10.0)
    assert await SlowWire(1.5).call("dynamodb", "put_item", 2.0) == {"way": "dynamodb"}
