"""Clocks that are 20 minutes off, and credentials that come slowly, expire or change: every call heals the same way."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from botocore.utils import ContainerMetadataFetcher

from tests.support.scripted_server import Deed, ScriptedServer, http_answer, scripted_server
from tests.support.wire_testing import EVER_S, PATIENT, PlainAws
from websocket_handler.adapters.aws.clock import AwsClock
from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.wire import TARGETS, AwsWire

pytestmark = pytest.mark.asyncio

OPERATIONS = [(service, operation) for service, operations in TARGETS.items() for operation in operations]
DONE = http_answer(b'{"Items":[]}')
FAR = timedelta(minutes=20)


def refusal(code: str, date: datetime) -> bytes:
    body = b'{"__type":"com.amazon.coral.service#%b","message":"Signature expired"}' % code.encode()
    return http_answer(body, 400, Date=format_datetime(date, usegmt=True))


@pytest.mark.parametrize(("service", "operation"), OPERATIONS, ids=[operation for _, operation in OPERATIONS])
@pytest.mark.parametrize("ours", [-FAR, FAR], ids=["behind", "ahead"])
async def test_every_operation_sets_the_clock_right(service: str, operation: str, ours: timedelta) -> None:
    theirs = datetime.now(UTC).replace(microsecond=0)
    async with (
        scripted_server([refusal("InvalidSignatureException", theirs)], [DONE]) as server,
        PlainAws(server.url, clock=AwsClock((theirs + ours).timestamp)) as aws,
    ):
        wire = AwsWire(aws, PATIENT)
        await wire.call(service, operation, EVER_S)
        await wire.call("dynamodb", "query", EVER_S)
        assert [request.headers["x-amz-date"] for request in server.requests[1:]] == [f"{theirs:%Y%m%dT%H%M%SZ}"] * 2
        assert aws.passed_on == []


@pytest.mark.parametrize(("service", "operation"), OPERATIONS, ids=[operation for _, operation in OPERATIONS])
@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId"])
async def test_every_operation_looks_for_other_credentials(service: str, operation: str, code: str) -> None:
    """Expired ones pass, and unknown ones may have been replaced where the SDK finds them."""
    refused = refusal(code, datetime.now(UTC))
    async with scripted_server([refused], [DONE]) as server, PlainAws(server.url) as aws:
        aws.tokens = ["token-1", "token-2"]
        wire = AwsWire(aws, PATIENT)
        with pytest.raises(AwsError) as raised:
            await wire.call(service, operation, EVER_S)
        await wire.call(service, operation, EVER_S)
        assert [request.headers["x-amz-security-token"] for request in server.requests] == ["token-1", "token-2"]
    assert (raised.value.fault is Fault.TRANSIENT) is (code == "ExpiredTokenException")


# The SDK's own credentials, from an endpoint as a container has it


def keys(name: str, expires: datetime) -> bytes:
    """What the endpoint answers."""
    answer = {"AccessKeyId": name, "SecretAccessKey": "secret", "Token": "token", "Expiration": f"{expires:%FT%TZ}"}
    return http_answer(json.dumps(answer).encode(), Content_Type="application/json")


@pytest.fixture
def endpoint_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[ScriptedServer], None]:
    """Makes a server the only source of credentials."""

    def use(server: ScriptedServer) -> None:
        for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
            monkeypatch.delenv(variable, raising=False)
        for variable in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            monkeypatch.setenv(variable, "/nonexistent")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setattr(ContainerMetadataFetcher, "SLEEP_TIME", 0)
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{server.port}/keys")

    return use


async def test_credentials_expire_by_the_clock_of_aws(endpoint_of: Callable[[ScriptedServer], None]) -> None:
    """A clock that is 20 minutes behind would keep them for 10 minutes after they expired."""
    now = datetime.now(UTC)
    old, new = [keys("old", now + timedelta(minutes=5))], [keys("new", now + timedelta(hours=6))]
    clock = AwsClock((now - FAR).timestamp)
    async with scripted_server(old, new) as source, Aws("us-east-1", "http://127.0.0.1:1", clock=clock) as aws:
        endpoint_of(source)
        assert (await aws.credentials()).access_key == "old"
        assert clock.was_wrong("RequestExpired", format_datetime(now, usegmt=True), 0.0)
        assert (await aws.credentials()).access_key == "new"


async def test_credentials_that_aws_refuses_are_fetched_anew(endpoint_of: Callable[[ScriptedServer], None]) -> None:
    later = datetime.now(UTC) + timedelta(hours=6)
    async with (
        scripted_server([keys("old", later)], [keys("new", later)]) as source,
        scripted_server([refusal("ExpiredTokenException", datetime.now(UTC))], [DONE]) as server,
        Aws("us-east-1", server.url) as aws,
    ):
        endpoint_of(source)
        wire = AwsWire(aws, PATIENT)
        with pytest.raises(AwsError):
            await wire.call("dynamodb", "query", EVER_S)
        await wire.call("sqs", "send_message_batch", EVER_S)
        used = [request.headers["authorization"].partition("Credential=")[2][:3] for request in server.requests]
    assert used == ["old", "new"]


async def test_an_endpoint_that_still_has_old_credentials_heals_every_way(
    endpoint_of: Callable[[ScriptedServer], None],
) -> None:
    """It is asked again when the next call needs them."""
    now = datetime.now(UTC)
    old, new = [keys("old", now - timedelta(minutes=1))], [keys("new", now + timedelta(hours=6))]
    async with (
        scripted_server(old, old, new) as source,
        scripted_server([DONE]) as server,
        Aws("us-east-1", server.url) as aws,
    ):
        endpoint_of(source)
        wire = AwsWire(aws, PATIENT)
        with pytest.raises(AwsError, match="ExpiredToken") as raised:
            await wire.call("sqs", "receive_message", EVER_S)
        assert raised.value.fault is Fault.TRANSIENT
        for service, operation in [*OPERATIONS, ("dynamodb", "list_tables")]:
            await wire.call(service, operation, EVER_S)
        assert len(server.requests) == len(OPERATIONS) + 1


async def test_an_endpoint_that_fails_at_the_start_heals_every_way(
    endpoint_of: Callable[[ScriptedServer], None],
) -> None:
    """An SDK client that was made without credentials never got any."""
    later = datetime.now(UTC) + timedelta(hours=6)
    async with (
        scripted_server(*[[http_answer(b"", 500)]] * 3, [keys("late", later)]) as source,
        scripted_server([DONE]) as server,
        Aws("us-east-1", server.url) as aws,
    ):
        endpoint_of(source)
        wire = AwsWire(aws, PATIENT)
        with pytest.raises(AwsError) as raised:
            await wire.call("dynamodb", "query", EVER_S)
        assert raised.value.fault is Fault.TRANSIENT
        for service, operation in OPERATIONS:
            await wire.call(service, operation, EVER_S)
        await wire.call("dynamodb", "list_tables", EVER_S)
        assert len(server.requests) == len(OPERATIONS) + 1


async def test_a_slow_endpoint_delays_no_call_beyond_its_deadline(
    endpoint_of: Callable[[ScriptedServer], None],
) -> None:
    """Not the first one either, and the wait of one call is not lost for the next."""
    later = datetime.now(UTC) + timedelta(hours=6)
    async with (
        scripted_server([Deed.STALL, keys("slow", later)]) as source,
        scripted_server([DONE]) as server,
        Aws("us-east-1", server.url) as aws,
    ):
        endpoint_of(source)
        wire = AwsWire(aws, PATIENT)
        for operation in ("query", "list_tables"):
            with pytest.raises(AwsError, match="Timeout") as raised:
                await wire.call("dynamodb", operation, 0.05)
            assert raised.value.fault is Fault.TRANSIENT
        calls = asyncio.gather(*(wire.call(service, operation, EVER_S) for service, operation in OPERATIONS))
        source.go_on.set()
        await asyncio.gather(calls, wire.call("dynamodb", "list_tables", EVER_S))
        assert len(source.requests) == 1
