"""SQS and DynamoDB on loopback that hold back the answers a test chooses, so that it decides what happens meanwhile."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from email import message_from_bytes
from typing import Any, Final

from demo.resources import DUMMY_CREDENTIALS
from tests.support.fake_dynamodb import FakeDynamoDb
from tests.support.scripted_server import http_answer
from websocket_handler.adapters.aws.errors import AwsError

AGENTS: Final = ("PM", "DEV", "QA", "OPS")
LOG: Final = "WS#LOG#"


class HeldAws:
    """Carries every request out at once, and answers at once but for what is held."""

    def __init__(self) -> None:
        self.port = 0
        self.open_connections = 0
        self.tasks: dict[str, dict[str, Any]] = {}
        """What came into the queues, by message id."""
        self._table = FakeDynamoDb(1_048_576, lambda _item: None)
        self._expected: set[str] = set()
        self._all_arrived = asyncio.Event()
        self._released = asyncio.Event()
        self._released.set()

    @property
    def settings(self) -> dict[str, str]:
        """The gateway's environment."""
        url = f"http://127.0.0.1:{self.port}"
        queues = {f"SQS_QUEUE_URL_{agent}": f"{url}/queue/{agent.lower()}" for agent in AGENTS}
        return {**queues, **DUMMY_CREDENTIALS, "DYNAMODB_TABLE_NAME": "table", "AWS_ENDPOINT_URL": url}

    def hold(self, names: Iterable[str]) -> None:
        """From here on requests about these message ids and projects are not answered until `release`."""
        self._expected = set(names)
        self._all_arrived.clear()
        self._released.clear()

    async def all_arrived(self) -> None:
        """Until each of them is here, and waits."""
        await self._all_arrived.wait()

    def release(self) -> None:
        """Answer what was held, and whatever comes."""
        self._expected = set()
        self._released.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.open_connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                headers = message_from_bytes(head.split(b"\r\n", 1)[1])
                parameters = json.loads(await reader.readexactly(int(headers["Content-Length"])))
                operation = headers["X-Amz-Target"].rpartition(".")[2]
                names = self._names(operation, parameters)
                answer = self._perform(operation, parameters)
                if names & self._expected:
                    self._expected -= names
                    if not self._expected:
                        self._all_arrived.set()
                    await self._released.wait()
                writer.write(answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self.open_connections -= 1

    def _names(self, operation: str, parameters: dict[str, Any]) -> set[str]:
        """The message ids, or the project, that a request is about."""
        if operation == "SendMessageBatch":
            return {entry["MessageAttributes"]["MessageId"]["StringValue"] for entry in parameters["Entries"]}
        key = parameters.get("Item", {}).get("PK") or parameters.get("ExpressionAttributeValues", {}).get(":partition")
        return {key["S"].removeprefix(LOG)} if key and key["S"].startswith(LOG) else set()

    def _perform(self, operation: str, parameters: dict[str, Any]) -> bytes:
        if operation == "SendMessageBatch":
            return http_answer(
                json.dumps({"Successful": [self._take(entry) for entry in parameters["Entries"]]}).encode()
            )
        try:
            answer = self._table.perform(re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower(), parameters)
        except AwsError as error:
            details = {**error.response, "__type": f"com.amazonaws.dynamodb.v20120810#{error.code}"}
            return http_answer(json.dumps(details).encode(), 400)
        return http_answer(json.dumps(answer).encode())

    def _take(self, entry: dict[str, Any]) -> dict[str, str]:
        message_id = entry["MessageAttributes"]["MessageId"]["StringValue"]
        task = json.loads(entry["MessageBody"])
        assert self.tasks.setdefault(message_id, task) == task, "another task under the same message id"
        return {"Id": entry["Id"], "MessageId": f"receipt-{message_id}"}


@asynccontextmanager
async def held_aws() -> AsyncIterator[HeldAws]:
    """Both services, until the end of the block."""
    aws = HeldAws()
    server = await asyncio.start_server(aws.serve, "127.0.0.1", backlog=1024)
    aws.port = server.sockets[0].getsockname()[1]
    try:
        yield aws
    finally:
        aws.release()
        server.close()
