"""The light client in front of a server that a test scripts, and without the SDK."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.patience import PATIENCE_S
from websocket_handler.adapters.aws.clock import AwsClock
from websocket_handler.adapters.aws.errors import AwsError
from websocket_handler.adapters.aws.http_connections import ConnectionLimits
from websocket_handler.adapters.aws.sdk import Aws, Endpoint
from websocket_handler.adapters.aws.sigv4 import Credentials
from websocket_handler.adapters.aws.wire import AwsWire

EVER_S = PATIENCE_S
"""What ends sooner is what is tested."""
PATIENT = ConnectionLimits(at_once_s=EVER_S, idle_s=EVER_S, connect_timeout_s=EVER_S)
RECEIPT = {"Successful": [{"Id": "0", "MessageId": "receipt"}]}


class PlainAws(Aws):
    """What the light client asks of the SDK, without the SDK."""

    def __init__(
        self, url: str, certificates: str | None = None, *, has_proxy: bool = False, clock: AwsClock | None = None
    ) -> None:
        super().__init__(clock=clock)
        self.where = Endpoint(url, "us-east-1", certificates, has_proxy)
        self.tokens = ["token-1"]
        self.passed_on: list[str] = []

    async def endpoint(self, service: str) -> Endpoint:
        return self.where

    async def credentials(self) -> Credentials:
        token = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        return Credentials("key", "secret", token)

    async def call(self, service: str, operation: str, timeout_s: float, **parameters: Any) -> dict[str, Any]:
        self.passed_on.append(operation)
        return {}


@asynccontextmanager
async def wire_to(url: str, limits: ConnectionLimits = PATIENT, **more: Any) -> AsyncIterator[AwsWire]:
    async with PlainAws(url, **more) as aws:
        yield AwsWire(aws, limits)


async def send(wire: AwsWire, timeout_s: float = EVER_S, text: str = "x") -> dict[str, Any]:
    entries = [{"Id": "0", "MessageBody": text}]
    return await wire.call("sqs", "send_message_batch", timeout_s, QueueUrl="http://queue", Entries=entries)


async def fault_of(wire: AwsWire, timeout_s: float = EVER_S) -> AwsError:
    with pytest.raises(AwsError) as raised:
        await send(wire, timeout_s)
    return raised.value
