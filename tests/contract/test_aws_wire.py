"""The light client on connections that do what connections do."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from demo.resources import DUMMY_CREDENTIALS
from tests.contract.scripted_server import TAKEN, Act, Deed, ScriptedServer, http_answer, scripted_server
from websocket_handler.adapters.aws import Aws, AwsError, Fault, Place
from websocket_handler.adapters.aws_sigv4 import Credentials
from websocket_handler.adapters.aws_wire import AwsWire
from websocket_handler.adapters.http_connections import ConnectionLimits

EVER_S = 60.0
"""Long enough for any machine: what ends sooner is what is tested."""
PATIENT = ConnectionLimits(at_once_s=EVER_S, idle_s=EVER_S, connect_timeout_s=EVER_S)
RECEIPT = {"Successful": [{"Id": "0", "MessageId": "receipt"}]}
STALL: Sequence[Act] = [Deed.STALL, TAKEN]
CLOSE: Sequence[Act] = [Deed.CLOSE]


class PlainAws(Aws):
    """What the light client asks of the SDK, without the SDK."""

    def __init__(self, url: str, certificates: str | None = None, *, has_proxy: bool = False) -> None:
        super().__init__()
        self.where = Place(url, "us-east-1", certificates, has_proxy)
        self.tokens = ["token-1"]
        self.passed_on: list[str] = []

    async def place(self, service: str) -> Place:
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


async def until_gone(server: ScriptedServer) -> None:
    """Until the server has seen a connection end."""
    await server.ended.acquire()


@pytest.mark.asyncio
async def test_a_connection_is_kept_and_used_again() -> None:
    async with scripted_server() as server, wire_to(server.url) as wire:
        for _ in range(5):
            assert await send(wire) == RECEIPT
        assert (server.connections, len(server.requests)) == (1, 5)
        request = server.requests[0]
    assert request.head.startswith(b"POST / HTTP/1.1\r\n")
    assert request.headers["host"] == f"localhost:{server.port}"
    assert request.headers["x-amz-target"] == "AmazonSQS.SendMessageBatch"
    assert request.headers["x-amz-security-token"] == "token-1"
    assert request.body == b'{"QueueUrl":"http://queue","Entries":[{"Id":"0","MessageBody":"x"}]}'


def test_it_works_on_uvloop_as_in_production() -> None:
    async def calls() -> None:
        async with scripted_server([TAKEN], CLOSE, [TAKEN], STALL) as server, wire_to(server.url) as wire:
            assert await send(wire) == RECEIPT
            assert await send(wire) == RECEIPT
            cut = asyncio.create_task(send(wire))
            while len(server.requests) < 4:
                await server.arrived.acquire()
            cut.cancel()
            await asyncio.gather(cut, return_exceptions=True)
            await until_gone(server)
            assert (server.connections, len(server.requests)) == (2, 4)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(calls())


@pytest.mark.asyncio
async def test_a_refused_connection_is_transient() -> None:
    async with scripted_server() as server:
        url = server.url
    async with wire_to(url) as wire:
        assert (await fault_of(wire)).fault is Fault.TRANSIENT


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "acts",
    [
        CLOSE,
        [Deed.RESET],
        [HEAD, Deed.CLOSE],
        [HEAD + b'{"Successful"', Deed.RESET],
        [b"HTTP/1.1 2", Deed.CLOSE],
        [b"not HTTP at all\r\n\r\n"],
        [b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nx"],
        [http_answer(b"no JSON")],
        [http_answer(b'{"Successful":[{"Id":0}]}')],
        [http_answer(b"")],
        [http_answer(b"x" * 2_000_000)],
        [b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 400_000],
    ],
)
async def test_what_is_no_answer_is_transient_and_asked_only_once(acts: Sequence[Act]) -> None:
    async with scripted_server(acts, [TAKEN]) as server, wire_to(server.url) as wire:
        assert (await fault_of(wire)).fault is Fault.TRANSIENT
        assert len(server.requests) == 1
        assert await send(wire) == RECEIPT


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "acts",
    [
        [b"HTTP/1.1 100 Continue\r\n\r\n", TAKEN],
        [bytes([byte]) for byte in TAKEN],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"],
    ],
)
async def test_an_answer_may_come_in_every_form_of_http(acts: Sequence[Act]) -> None:
    async with scripted_server(acts) as server, wire_to(server.url) as wire:
        assert await send(wire) in (RECEIPT, {})
        assert await send(wire) in (RECEIPT, {})
        assert server.connections == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "act",
    [
        http_answer(b"{}", Connection="close"),
        TAKEN + TAKEN,
        TAKEN + b"\0",
    ],
)
async def test_a_connection_that_is_out_of_step_is_not_used_again(act: bytes) -> None:
    async with scripted_server([act]) as server, wire_to(server.url) as wire:
        await send(wire)
        await until_gone(server)
        await send(wire)
        assert server.connections == 2


@pytest.mark.asyncio
async def test_a_stalled_call_ends_at_its_deadline_and_takes_its_connection_with_it() -> None:
    async with scripted_server(STALL, [TAKEN]) as server, wire_to(server.url) as wire:
        fault = await fault_of(wire, 0.05)
        assert (fault.fault, fault.code) == (Fault.TRANSIENT, "Timeout")
        await until_gone(server)
        assert await send(wire) == RECEIPT
        assert server.requests[1].connection == 1


@pytest.mark.asyncio
async def test_a_cancelled_call_takes_its_connection_with_it() -> None:
    async with scripted_server([TAKEN], STALL, [TAKEN]) as server, wire_to(server.url) as wire:
        await send(wire)
        cut = asyncio.create_task(send(wire))
        await server.arrived.acquire()
        await server.arrived.acquire()
        cut.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cut
        await until_gone(server)
        assert await send(wire) == RECEIPT
        assert [request.connection for request in server.requests] == [0, 0, 1]


@pytest.mark.asyncio
async def test_a_connection_that_ended_while_idle_is_seen_before_anything_is_sent() -> None:
    async with scripted_server() as server, wire_to(server.url, ConnectionLimits(at_once_s=0)) as wire:
        await send(wire)
        server.hang_up()  # and the loop has no turn between this and the next call
        assert await send(wire) == RECEIPT
        assert [request.connection for request in server.requests] == [0, 1]


@pytest.mark.asyncio
@pytest.mark.parametrize("deed", [Deed.CLOSE, Deed.RESET])
async def test_an_idle_connection_that_ends_as_it_is_used_is_replaced_once(deed: Deed) -> None:
    async with scripted_server([TAKEN], [deed], [TAKEN], [deed]) as server, wire_to(server.url) as wire:
        await send(wire)
        assert await send(wire, text="y") == RECEIPT
        assert [request.connection for request in server.requests] == [0, 0, 1]
        assert server.requests[1].body == server.requests[2].body
        assert (await fault_of(wire)).fault is Fault.TRANSIENT
        assert [request.connection for request in server.requests] == [0, 0, 1, 1, 2]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("acts", "at_once_s"), [([b"H", Deed.CLOSE], EVER_S), ([HEAD, Deed.RESET], EVER_S), ([Deed.CLOSE], 0.0)]
)
async def test_a_request_that_may_have_been_carried_out_is_not_repeated(acts: Sequence[Act], at_once_s: float) -> None:
    limits = ConnectionLimits(at_once_s=at_once_s)
    async with scripted_server([TAKEN], acts, [TAKEN]) as server, wire_to(server.url, limits) as wire:
        await send(wire)
        assert (await fault_of(wire)).fault is Fault.TRANSIENT
        assert len(server.requests) == 2


@pytest.mark.asyncio
async def test_connections_have_a_maximum_and_calls_wait_for_one() -> None:
    async with (
        scripted_server(STALL) as server,
        wire_to(server.url, ConnectionLimits(connections=3)) as wire,
        asyncio.TaskGroup() as group,
    ):
        calls = [group.create_task(send(wire)) for _ in range(10)]
        for _ in range(3):
            await server.arrived.acquire()
        server.go_on.set()
        assert await asyncio.gather(*calls) == [RECEIPT] * 10
        assert server.open_max == 3


@pytest.mark.asyncio
async def test_idle_connections_are_closed() -> None:
    async with scripted_server() as server, wire_to(server.url, ConnectionLimits(idle_s=0.01)) as wire:
        await send(wire)
        await until_gone(server)
        await send(wire)
        await until_gone(server)
        assert server.connections == 2


@pytest.mark.asyncio
async def test_closing_fails_what_is_under_way_and_what_comes_later() -> None:
    async with scripted_server(STALL) as server, PlainAws(server.url) as aws:
        wire = AwsWire(aws, PATIENT)
        under_way = asyncio.create_task(send(wire))
        await server.arrived.acquire()
        await aws.close()
        with pytest.raises(AwsError) as raised:
            await under_way
        assert raised.value.fault is Fault.TRANSIENT
        await until_gone(server)
        assert (await fault_of(wire)).code == "Closed"


# Clocks and credentials


def aws_fault(code: str, **headers: str) -> bytes:
    return http_answer(b'{"__type":"com.amazon.coral.service#%b","message":"no"}' % code.encode(), 403, **headers)


@pytest.mark.asyncio
@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "RequestTimeTooSkewed", "InvalidSignatureException"])
@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_wrong_clock_is_set_by_the_answer(code: str, hours: int) -> None:
    theirs = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours)
    refusal = aws_fault(code, Date=format_datetime(theirs, usegmt=True))
    async with scripted_server([refusal], [TAKEN]) as server, PlainAws(server.url) as aws:
        wire = AwsWire(aws, PATIENT, lambda: (theirs - timedelta(hours=hours)).timestamp())
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
        await wire.call("sqs", "receive_message", 1.0)
        await wire.call("dynamodb", "send_message_batch", 1.0)
        assert aws.passed_on == ["receive_message", "send_message_batch"]
    for url, has_proxy in [("http://127.0.0.1:1/path", False), ("ftp://x", False), ("https://sqs.example", True)]:
        async with PlainAws(url, has_proxy=has_proxy) as aws:
            await send(AwsWire(aws))
            assert aws.passed_on == ["send_message_batch"]


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
        http_answer(b"", 400),
        http_answer(b"", 503),
        http_answer(b" <html>busy</html>", 500),
        http_answer(b"busy", 500),
        http_answer(b'{"__type":"InternalFailure","message":"no"}', 500),
    ],
)  # fmt: skip
async def test_errors_mean_what_they_mean_through_the_sdk(act: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in DUMMY_CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    entries = [{"Id": "0", "MessageBody": "x"}]
    found = []
    async with scripted_server([act]) as server, Aws("us-east-1", server.url) as aws:
        for call in (aws.call, AwsWire(aws).call):
            with pytest.raises(AwsError) as raised:
                await call("sqs", "send_message_batch", EVER_S, QueueUrl=server.url, Entries=entries)
            error = raised.value
            metadata = error.response["ResponseMetadata"]
            identity = metadata.get("RequestId"), metadata["HTTPStatusCode"]
            found.append((error.fault, error.code, str(error), error.response["Error"], identity))
    by_the_sdk, by_the_wire = found
    assert by_the_wire == by_the_sdk


@pytest.mark.asyncio
async def test_the_sdk_says_where_and_with_what(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**DUMMY_CREDENTIALS, "AWS_SESSION_TOKEN": "token"}.items():
        monkeypatch.setenv(name, value)
    async with Aws("cn-north-1") as aws:
        assert await aws.place("sqs") == Place("https://sqs.cn-north-1.amazonaws.com.cn", "cn-north-1", None, False)
        assert await aws.credentials() == Credentials(*DUMMY_CREDENTIALS.values(), "token")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/authorities.pem")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://sqs.example")
    async with Aws("eu-central-1") as aws:
        assert await aws.place("sqs") == Place("https://sqs.example", "eu-central-1", "/authorities.pem", True)


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
    async with scripted_server([TAKEN], [TAKEN], CLOSE, [TAKEN], tls=context) as server:
        async with wire_to(server.url, certificates=authority) as wire:
            for _ in range(3):
                assert await send(wire) == RECEIPT
            assert [request.connection for request in server.requests] == [0, 0, 0, 1]
        async with wire_to(server.url) as wire:
            fault = await fault_of(wire)
            assert (fault.fault, fault.code) == (Fault.TRANSIENT, "SSLCertVerificationError")
        assert len(server.requests) == 4
