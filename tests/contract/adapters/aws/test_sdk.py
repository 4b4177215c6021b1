"""The one place that opens AWS clients."""

import asyncio
import subprocess
import sys

import pytest

from demo.testing import Emulator
from tests.support.wire_testing import EVER_S
from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.sdk import Aws


def test_the_sdk_is_not_imported_before_it_is_needed() -> None:
    modules = ("sdk", "wire", "sqs_forwarder", "sqs_updates", "dynamodb_log", "dynamodb_state")
    lines = [f"import websocket_handler.adapters.aws.{name}" for name in modules]
    lines += ["import sys", "print([m for m in ('aiobotocore', 'botocore', 'aiohttp') if m in sys.modules])"]
    command = [sys.executable, "-c", "\n".join(lines)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "[]"


@pytest.mark.asyncio
async def test_clients_are_opened_once_and_closed(aws: Aws) -> None:
    clients = await asyncio.gather(*(aws.open("sqs") for _ in range(5)))
    assert len({id(client) for client in clients}) == 1
    await aws.close()
    with pytest.raises(AwsError, match="stopping"):
        await aws.call("sqs", "list_queues", 1.0)
    await aws.close()


@pytest.mark.asyncio
async def test_what_errors_mean(aws: Aws, queue_url: str, emulator: Emulator) -> None:
    async def fault(url: str, **parameters: object) -> Fault:
        with pytest.raises(AwsError) as raised:
            await aws.call("sqs", "send_message", EVER_S, QueueUrl=url, MessageBody="x", **parameters)
        return raised.value.fault

    assert await fault(queue_url + "-gone") is Fault.GONE
    assert await fault(queue_url, DelaySeconds=100_000) is Fault.REFUSED
    for mode in ("error", "throttle"):
        emulator.add_fault("sqs", mode, for_requests=1)
        assert await fault(queue_url) is Fault.TRANSIENT


@pytest.mark.asyncio
async def test_a_call_ends_at_its_deadline(aws: Aws, queue_url: str, emulator: Emulator) -> None:
    emulator.add_fault("sqs", "stall", stall_s=300)
    with pytest.raises(AwsError, match="Timeout") as raised:
        await aws.call("sqs", "send_message", 0.2, QueueUrl=queue_url, MessageBody="x")
    assert raised.value.fault is Fault.TRANSIENT


@pytest.mark.asyncio
async def test_missing_credentials_are_the_operators(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    async with Aws("us-east-1", emulator.url) as aws:
        with pytest.raises(AwsError) as raised:
            await aws.call("sqs", "list_queues", EVER_S)
        assert raised.value.fault is Fault.DENIED


@pytest.mark.asyncio
async def test_the_endpoint_of_one_service_comes_before_that_of_all(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2", "http://127.0.0.1:2")
    async with Aws("us-east-1", emulator.url) as aws:
        assert (await aws.endpoint("sqs")).url == "http://127.0.0.1:1"
        assert (await aws.endpoint("elbv2")).url == "http://127.0.0.1:2"
        assert (await aws.endpoint("dynamodb")).url == emulator.url
