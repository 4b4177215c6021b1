"""The light client beside the SDK: its clock, its credentials, whom it trusts, and what errors mean to both."""

import json
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from demo.resources import DUMMY_CREDENTIALS
from tests.support.scripted_server import TAKEN, Deed, ScriptedServer, http_answer, scripted_server
from tests.support.wire_testing import EVER_S, PATIENT, RECEIPT, PlainAws, fault_of, send, wire_to
from websocket_handler.adapters.aws.clock import AwsClock
from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.http_connections import ConnectionLimits
from websocket_handler.adapters.aws.sdk import Aws, AwsCall, Endpoint
from websocket_handler.adapters.aws.sigv4 import Credentials
from websocket_handler.adapters.aws.wire import AwsWire

# Clocks and credentials


def aws_fault(code: str, **headers: str) -> bytes:
    return http_answer(b'{"__type":"com.amazon.coral.service#%b","message":"no"}' % code.encode(), 403, **headers)


@pytest.mark.asyncio
@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "RequestTimeTooSkewed", "InvalidSignatureException"])
@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_wrong_clock_is_set_by_the_answer(code: str, hours: int) -> None:
    theirs = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours)
    refusal = aws_fault(code, Date=format_datetime(theirs, usegmt=True))
    clock = AwsClock((theirs - timedelta(hours=hours)).timestamp)
    async with scripted_server([refusal], [TAKEN]) as server, PlainAws(server.url, clock=clock) as aws:
        wire = AwsWire(aws, PATIENT)
        assert await send(wire) == RECEIPT
        assert await send(wire) == RECEIPT
        dates = [request.headers["x-amz-date"] for request in server.requests]
    assert dates[1:] == [theirs.strftime("%Y%m%dT%H%M%SZ")] * 2
    assert dates[0] != dates[1]


@pytest.mark.asyncio
@pytest.mark.parametrize("has_date", [True, False])
async def test_a_wrong_secret_is_no_wrong_clock(has_date: bool) -> None:
    headers = {"Date": format_datetime(datetime.now(UTC), usegmt=True)} if has_date else {"Date": "yesterday"}
    async with scripted_server([aws_fault("SignatureDoesNotMatch", **headers)]) as server, wire_to(server.url) as wire:
        assert (await fault_of(wire)).fault is Fault.DENIED
        assert len(server.requests) == 1


@pytest.mark.asyncio
async def test_a_clock_that_cannot_be_set_right_is_tried_once() -> None:
    theirs = datetime.now(UTC) + timedelta(days=1)
    refusal = aws_fault("RequestTimeTooSkewed", Date=format_datetime(theirs, usegmt=True))
    async with scripted_server([refusal]) as server, wire_to(server.url) as wire:
        assert (await fault_of(wire)).code == "RequestTimeTooSkewed"
        assert len(server.requests) == 2


@pytest.mark.asyncio
async def test_expired_credentials_are_asked_for_again() -> None:
    async with scripted_server([aws_fault("ExpiredToken")], [TAKEN]) as server, PlainAws(server.url) as aws:
        aws.tokens = ["token-1", "token-2"]
        wire = AwsWire(aws, PATIENT)
        assert (await fault_of(wire)).fault is Fault.TRANSIENT
        await send(wire)
        assert [request.headers["x-amz-security-token"] for request in server.requests] == ["token-1", "token-2"]


# Beside the SDK


@pytest.mark.asyncio
async def test_everything_unusual_is_the_sdks() -> None:
    async with PlainAws("http://127.0.0.1:1") as aws:
        wire = AwsWire(aws)
        await wire.call("sqs", "list_queues", 1.0)
        await wire.call("dynamodb", "send_message_batch", 1.0)
        assert aws.passed_on == ["list_queues", "send_message_batch"]
    for url, has_proxy in [("http://127.0.0.1:1/path", False), ("ftp://x", False), ("https://sqs.example", True)]:
        async with PlainAws(url, has_proxy=has_proxy) as aws:
            await send(AwsWire(aws))
            assert aws.passed_on == ["send_message_batch"]


async def through_both(
    act: bytes, monkeypatch: pytest.MonkeyPatch, ask: Callable[[AwsCall, ScriptedServer], Awaitable[object]]
) -> list[object]:
    """What the SDK and the light client make of one answer."""
    for name, value in DUMMY_CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    async with scripted_server([act]) as server, Aws("us-east-1", server.url) as aws:
        return [await ask(call, server) for call in (aws.call, AwsWire(aws).call)]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "act",
    [
        http_answer(b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"gone"}', 400,
                    x_amzn_query_error="AWS.SimpleQueueService.NonExistentQueue;Sender", x_amzn_RequestId="r-1"),
        http_answer(b'{"__type":"InvalidParameterValue:http://x","Message":"no"}', 400),
        http_answer(b'{"__type":"a#Odd","message":"no"}', 400, x_amzn_query_error="without a kind"),
        http_answer(b'{"__type":"a#Throttling"}', 400),
        http_answer(b'{"__type":"AccessDeniedException","message":"no"}', 400),
        http_answer(b'{"__type":"Unknown","message":"no"}', 403),
        http_answer(b"{}", 429),
        http_answer(b"<html>moved</html>", 302),
        http_answer(b"<html>not found</html>", 404),
        http_answer(b"", 405),
        http_answer(b'{"__type":"com.amazon.coral.service#UnknownOperationException"}', 404),
        http_answer(b"", 400),
        http_answer(b"", 503),
        http_answer(b" <html>busy</html>", 500),
        http_answer(b"busy", 500),
        http_answer(b'{"__type":"InternalFailure","message":"no"}', 500),
    ],
)  # fmt: skip
async def test_errors_mean_what_they_mean_through_the_sdk(act: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def told(call: AwsCall, server: ScriptedServer) -> object:
        entries = [{"Id": "0", "MessageBody": "x"}]
        with pytest.raises(AwsError) as raised:
            await call("sqs", "send_message_batch", EVER_S, QueueUrl=server.url, Entries=entries)
        error = raised.value
        metadata = error.response["ResponseMetadata"]
        identity = metadata.get("RequestId"), metadata["HTTPStatusCode"]
        return error.fault, error.code, str(error), error.response["Error"], identity

    by_the_sdk, by_the_wire = await through_both(act, monkeypatch, told)
    assert by_the_wire == by_the_sdk


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "act",
    [
        http_answer(b"{}"),
        http_answer(b'{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The '
                    b'conditional request failed","Item":{"w":{"S":"writer"}}}', 400),
        http_answer(b'{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}', 400),
        http_answer(b'{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no"}', 400),
        http_answer(b'{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow"}', 400),
        http_answer(b'{"__type":"com.amazon.coral.validate#ValidationException","message":"too large"}', 400),
        http_answer(b'{"__type":"com.amazon.coral.service#InternalServerError"}', 500),
    ],
)  # fmt: skip
async def test_a_segment_is_written_and_refused_as_through_the_sdk(act: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same request, bytes and all, and the same answer; a refusal tells whose segment is there already."""

    async def asked_and_told(call: AwsCall, server: ScriptedServer) -> object:
        item = {"PK": {"S": "é"}, "n": {"N": "7"}, "p": {"L": [{"B": bytes(range(256))}, {"B": b""}]}}
        told = None
        try:
            await call("dynamodb", "put_item", EVER_S, TableName="t", Item=item, ConditionExpression="c")
        except AwsError as error:
            told = error.fault, error.code, str(error), error.response.get("Item")
        request = server.requests[-1]
        headers = {name.lower(): value for name, value in request.headers.items()}
        return json.loads(request.body), headers["x-amz-target"], headers["content-type"], told

    by_the_sdk, by_the_wire = await through_both(act, monkeypatch, asked_and_told)
    assert by_the_wire == by_the_sdk


@pytest.mark.asyncio
async def test_the_sdk_says_where_and_with_what(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**DUMMY_CREDENTIALS, "AWS_SESSION_TOKEN": "token"}.items():
        monkeypatch.setenv(name, value)
    async with Aws("cn-north-1") as aws:
        assert await aws.endpoint("sqs") == Endpoint(
            "https://sqs.cn-north-1.amazonaws.com.cn", "cn-north-1", None, False
        )
        assert await aws.credentials() == Credentials("local", "local", "token")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/authorities.pem")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://sqs.example")
    async with Aws("eu-central-1") as aws:
        assert await aws.endpoint("sqs") == Endpoint("https://sqs.example", "eu-central-1", "/authorities.pem", True)


def certificate(folder: Path) -> tuple[str, ssl.SSLContext]:
    """The file of an authority, and a server of `localhost` that it vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, encoding = folder / "localhost.pem", serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(private + made.public_bytes(encoding))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    authority = folder / "authority.pem"
    authority.write_bytes(made.public_bytes(encoding))
    return str(authority), context


@pytest.mark.asyncio
async def test_tls_speaks_only_to_whom_the_authorities_vouch_for(tmp_path: Path) -> None:
    authority, context = certificate(tmp_path)
    async with scripted_server([TAKEN], [TAKEN], [Deed.CLOSE], [TAKEN], tls=context) as server:
        async with wire_to(server.url, certificates=authority) as wire:
            for _ in range(3):
                assert await send(wire) == RECEIPT
            assert [request.connection for request in server.requests] == [0, 0, 0, 1]
        async with wire_to(server.url) as wire:
            fault = await fault_of(wire)
            assert (fault.fault, fault.code) == (Fault.TRANSIENT, "SSLCertVerificationError")
        assert len(server.requests) == 4


@pytest.mark.asyncio
async def test_a_handshake_that_does_not_end_has_a_deadline_of_its_own() -> None:
    async with scripted_server() as server:
        url, limits = server.url.replace("http", "https"), ConnectionLimits(connect_timeout_s=0.05)
        async with wire_to(url, limits) as wire:
            fault = await fault_of(wire)
            while not server.connections:  # on a busy machine the deadline may come before the connection
                fault = await fault_of(wire)
        await server.ended.acquire()
    assert (fault.fault, fault.code) == (Fault.TRANSIENT, "ConnectionFault")
