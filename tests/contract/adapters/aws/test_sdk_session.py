"""The SDK's own calls go by AWS's clock, and use the credentials at hand, as the light client's calls do."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.utils import AioContainerMetadataFetcher
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.utils import ContainerMetadataFetcher

from demo.resources import DUMMY_CREDENTIALS
from tests.support.scripted_server import ScriptedServer, http_answer, scripted_server
from tests.support.wire_testing import EVER_S
from websocket_handler.adapters.aws.clock import AwsClock
from websocket_handler.adapters.aws.errors import AwsError
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.sdk_session import _SignatureByClock
from websocket_handler.adapters.aws.wire import AwsWire

pytestmark = pytest.mark.asyncio

THEIRS = datetime(2026, 5, 1, 12, tzinfo=UTC)
FAR = timedelta(minutes=20)
DATE = format_datetime(THEIRS, usegmt=True)
STAMP = f"{THEIRS:%Y%m%dT%H%M%SZ}"
ROLE = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>role</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>2026-05-01T13:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in DUMMY_CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def refusal(code: str) -> bytes:
    """What the load balancer's API and STS answer."""
    text = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
    return http_answer(text.encode(), 403, Content_Type="text/xml", Date=DATE)


def json_refusal(code: str) -> bytes:
    return http_answer(b'{"__type":"%b","message":"no"}' % code.encode(), 400, Date=DATE)


def sent(server: ScriptedServer, name: str) -> list[str]:
    """A header of each request; empty where there is none."""
    headers = [{key.lower(): value for key, value in request.headers.items()} for request in server.requests]
    return [header.get(name, "") for header in headers]


def stamps(server: ScriptedServer) -> list[str]:
    return sent(server, "x-amz-date")


@pytest.mark.parametrize(
    ("ours", "code"), [(-FAR, "SignatureDoesNotMatch"), (FAR, "RequestExpired")], ids=["behind", "ahead"]
)
async def test_the_load_balancer_is_asked_again_by_the_right_time(ours: timedelta, code: str) -> None:
    health = http_answer(
        b"<DescribeTargetHealthResponse><DescribeTargetHealthResult><TargetHealthDescriptions><member><TargetHealth>"
        b"<State>draining</State></TargetHealth></member></TargetHealthDescriptions></DescribeTargetHealthResult>"
        b"</DescribeTargetHealthResponse>"
    )
    clock = AwsClock((THEIRS + ours).timestamp)
    async with (
        scripted_server([refusal(code)], [health]) as server,
        Aws("us-east-1", server.url, clock=clock) as aws,
    ):
        wire, group = AwsWire(aws), {"TargetGroupArn": "group", "Targets": [{"Id": "10.0.0.7", "Port": 8080}]}
        for _ in range(2):
            answer = await wire.call("elbv2", "describe_target_health", EVER_S, **group)
            assert answer["TargetHealthDescriptions"][0]["TargetHealth"]["State"] == "draining"
        assert stamps(server) == [f"{THEIRS + ours:%Y%m%dT%H%M%SZ}", STAMP, STAMP]


@pytest.mark.parametrize(("service", "operation"), [("dynamodb", "query"), ("sqs", "receive_message")])
async def test_an_endpoint_with_a_path_heals_too(service: str, operation: str) -> None:
    """The SDK carries out what the light client cannot send."""
    parameters: dict[str, Any] = {"QueueUrl": "http://127.0.0.1:1/queue"} if service == "sqs" else {"TableName": "t"}
    clock = AwsClock((THEIRS + FAR).timestamp)
    async with (
        scripted_server([json_refusal("InvalidSignatureException")], [http_answer(b"{}")]) as server,
        Aws("us-east-1", server.url + "/path", clock=clock) as aws,
    ):
        wire = AwsWire(aws)
        for _ in range(2):
            await wire.call(service, operation, EVER_S, **parameters)
        assert stamps(server)[1:] == [STAMP, STAMP]


async def test_a_client_that_is_open_gets_other_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        scripted_server([json_refusal("UnrecognizedClientException")], [http_answer(b"{}")]) as server,
        Aws("us-east-1", server.url) as aws,
    ):
        with pytest.raises(AwsError, match="UnrecognizedClientException"):
            await aws.call("dynamodb", "list_tables", EVER_S)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "other")
        await aws.call("dynamodb", "list_tables", EVER_S)
        assert "Credential=other/" in sent(server, "authorization")[1]


async def test_a_role_is_assumed_by_the_right_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The SDK's own calls for credentials are signed, too."""
    for name in DUMMY_CREDENTIALS:
        monkeypatch.delenv(name)
    file = tmp_path / "config"
    file.write_text(
        "[profile worker]\nrole_arn = arn:aws:iam::123456789012:role/worker\nsource_profile = base\n"
        "[profile base]\naws_access_key_id = base\naws_secret_access_key = secret\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "worker")
    clock = AwsClock((THEIRS - FAR).timestamp)
    answers = [refusal("SignatureDoesNotMatch")], [http_answer(ROLE.encode(), Content_Type="text/xml")]
    async with scripted_server(*answers) as server, Aws("us-east-1", clock=clock) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        assert (await aws.credentials()).access_key == "role"
        assert stamps(server)[1] == STAMP


async def test_what_needs_no_signature_gets_none() -> None:
    """A web identity is exchanged for credentials when there are none yet."""
    async with (
        scripted_server([http_answer(ROLE.replace("Role", "RoleWithWebIdentity").encode())]) as server,
        Aws("us-east-1", server.url) as aws,
    ):
        await aws.call(
            "sts",
            "assume_role_with_web_identity",
            EVER_S,
            RoleArn="arn:aws:iam::123456789012:role/worker",
            RoleSessionName="gateway",
            WebIdentityToken="token",
        )
        assert sent(server, "authorization") == [""]


async def test_an_endpoint_of_a_container_may_take_longer_than_the_sdk_waits() -> None:
    """The SDK would give up after 2 s, as often as it is asked."""
    assert ContainerMetadataFetcher.TIMEOUT_SECONDS == 2
    assert AioContainerMetadataFetcher().TIMEOUT_SECONDS == 30


async def test_signatures_are_the_sdks() -> None:
    """The SDK's own, of the same second, is the same."""

    def signed(kind: type[SigV4Auth]) -> AWSRequest:
        request = AWSRequest("POST", "http://127.0.0.1/path?b=1", {"X-Amz-Target": "a"}, b"body")
        request.context["clock_of_aws"] = clock
        kind(ReadOnlyCredentials("key", "secret", "token", None), "sqs", "us-east-1").add_auth(request)
        return request

    clock = AwsClock(lambda: THEIRS.timestamp())
    plain = signed(SigV4Auth)
    now = datetime.strptime(plain.context["timestamp"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    clock = AwsClock(now.timestamp)
    assert dict(signed(_SignatureByClock).headers) == dict(plain.headers)
