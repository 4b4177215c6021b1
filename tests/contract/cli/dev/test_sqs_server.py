"""The SQS API of `websocket-handler dev` over HTTP: who is answered, and who left."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import aiohttp
import pytest

from tests.support.patience import PATIENCE_S
from websocket_handler.cli.dev.queue import SqsError
from websocket_handler.cli.dev.sqs import Sqs
from websocket_handler.cli.dev.sqs_server import BODY_BYTES_MAX, serving

pytestmark = pytest.mark.asyncio


async def ask(session: aiohttp.ClientSession, sqs: Sqs, operation: str, body: bytes) -> tuple[int, str, Any]:
    """Status, code and body of an answer."""
    headers = {"X-Amz-Target": f"AmazonSQS.{operation}", "Content-Type": "application/x-amz-json-1.0"}
    async with session.post(sqs.url, data=io.BytesIO(body), headers=headers) as answer:
        return answer.status, answer.headers.get("x-amzn-query-error", ""), await answer.json(content_type=None)


async def test_wrong_requests_get_a_typed_error() -> None:
    async with serving("127.0.0.1", 0, "us-east-1") as sqs, aiohttp.ClientSession() as session:
        for operation, body, status, code in (
            ("ListQueues", b"no json", 400, "SerializationException;Sender"),
            ("ListQueues", b"[]", 400, "SerializationException;Sender"),
            ("Dance", b"{}", 400, "InvalidAction;Sender"),
            ("ListQueues", b" " * (BODY_BYTES_MAX + 1), 413, "RequestEntityTooLarge;Sender"),
        ):
            assert (await ask(session, sqs, operation, body))[:2] == (status, code)
        async with session.get(sqs.url) as answer:
            assert (answer.status, (await answer.json(content_type=None))["__type"]) == (
                400,
                "com.amazonaws.sqs#UnknownOperationException",
            )
        async with session.post(sqs.url, headers={"Origin": "http://127.0.0.1:1"}) as answer:
            assert answer.status == 403, "a page of somebody else, which this machine's browser shows"
        assert await ask(session, sqs, "ListQueues", b"") == (200, "", {"QueueUrls": []})


async def test_a_client_that_left_takes_no_message_with_it() -> None:
    """A restarted agent finds the work that came while its old long poll was still open."""
    async with serving("127.0.0.1", 0, "us-east-1") as sqs, aiohttp.ClientSession() as session:
        url = (await sqs.call("CreateQueue", {"QueueName": "q"}))["QueueUrl"]
        poll = json.dumps({"QueueUrl": url, "WaitTimeSeconds": 20}).encode()
        leaving = asyncio.create_task(ask(session, sqs, "ReceiveMessage", poll))
        async with asyncio.timeout(PATIENCE_S):
            while sqs.polls(url) == 0:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0)
            leaving.cancel()
            while sqs.polls(url) == 1:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0)
        await sqs.call("SendMessage", {"QueueUrl": url, "MessageBody": "x"})
        assert len((await sqs.call("ReceiveMessage", {"QueueUrl": url}))["Messages"]) == 1


async def test_the_end_ends_long_polls_and_a_taken_port_is_told() -> None:
    async with serving("127.0.0.1", 0, "us-east-1") as sqs, aiohttp.ClientSession() as session:
        port = int(sqs.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            async with serving("127.0.0.1", port, "us-east-1"):
                raise AssertionError
        url = (await sqs.call("CreateQueue", {"QueueName": "q"}))["QueueUrl"]
        poll = json.dumps({"QueueUrl": url, "WaitTimeSeconds": 20}).encode()
        waiting = asyncio.create_task(ask(session, sqs, "ReceiveMessage", poll))
        async with asyncio.timeout(PATIENCE_S):
            while sqs.polls(url) == 0:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0)
    with pytest.raises(aiohttp.ClientError):
        await waiting


async def test_a_queue_that_is_full_says_so_and_can_be_asked_again() -> None:
    async with serving("127.0.0.1", 0, "us-east-1") as sqs:
        url = (await sqs.call("CreateQueue", {"QueueName": "q"}))["QueueUrl"]
        large = {"QueueUrl": url, "MessageBody": "x" * 1_000_000}
        for _ in range(67):
            await sqs.call("SendMessage", large)
        with pytest.raises(SqsError) as caught:
            await sqs.call("SendMessage", large)
        assert (caught.value.code, caught.value.status) == ("ServiceUnavailable", 503)
        await sqs.call("PurgeQueue", {"QueueUrl": url})
        await sqs.call("SendMessage", large)
