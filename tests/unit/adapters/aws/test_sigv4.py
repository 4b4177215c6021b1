"""Our signatures are the SDK's signatures."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as SdkCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.scripted_server import Request
from websocket_handler.adapters.aws.sigv4 import Credentials, Signer
from websocket_handler.adapters.aws.wire import TARGETS

KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)
TOKENS = st.one_of(st.just(""), KEYS)
HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z]{1,9}){0,3}(:[1-9][0-9]{3})?", fullmatch=True)
REGIONS = st.from_regex(r"[a-z]{2}(-gov)?-[a-z]{4,9}-[1-9]", fullmatch=True)
TIMES = st.integers(0, 4_102_444_800)
OPERATIONS = [(service, target) for service, targets in TARGETS.items() for target in targets.values()]


def by_the_sdk(request: Request, host: str, region: str, credentials: Credentials, service: str = "sqs") -> str:
    """The `Authorization` that the SDK gives to the same request."""
    unsigned = {name: value for name, value in request.headers.items() if name not in {"authorization", "host"}}
    del unsigned["Content-Length"]
    theirs = AWSRequest("POST", f"https://{host}/", headers=unsigned, data=request.body)
    theirs.context["timestamp"] = unsigned["x-amz-date"]
    auth = SigV4Auth(SdkCredentials(credentials.access_key, credentials.secret_key, credentials.token), service, region)
    signature = auth.signature(auth.string_to_sign(theirs, auth.canonical_request(theirs)), theirs)
    signed = auth.signed_headers(auth.headers_to_sign(theirs))
    return f"AWS4-HMAC-SHA256 Credential={auth.scope(theirs)}, SignedHeaders={signed}, Signature={signature}"


def split(request: bytes) -> Request:
    head, _, body = request.partition(b"\r\n\r\n")
    return Request(0, head + b"\r\n\r\n", body)


@settings(max_examples=200)
@given(
    st.sampled_from(OPERATIONS),
    HOSTS,
    REGIONS,
    st.lists(st.tuples(KEYS, KEYS, TOKENS, TIMES, st.binary(max_size=300)), min_size=1, max_size=4),
)
def test_generated_requests_are_signed_as_the_sdk_signs_them(
    operation: tuple[str, str], host: str, region: str, calls: list[tuple[str, str, str, int, bytes]]
) -> None:
    service, target = operation
    signer = Signer(host, region, service, target)
    for access_key, secret_key, token, time, body in calls:
        credentials = Credentials(access_key, secret_key, token)
        request = split(signer.request(body, credentials, time))
        assert request.body == body
        assert request.headers["host"] == host
        assert int(request.headers["Content-Length"]) == len(body)
        assert request.headers.get("x-amz-security-token", "") == token
        assert request.headers["authorization"] == by_the_sdk(request, host, region, credentials, service)


def test_the_next_second_and_the_next_day_have_their_own_signatures() -> None:
    signer = Signer("sqs.eu-central-1.amazonaws.com", "eu-central-1", "sqs", "AmazonSQS.SendMessageBatch")
    credentials = Credentials("key", "secret")
    midnight = datetime(2026, 11, 23, tzinfo=UTC)
    for moment in (midnight - timedelta(seconds=1), midnight, midnight + timedelta(seconds=1)):
        request = split(signer.request(b"{}", credentials, moment.timestamp()))
        assert request.headers["x-amz-date"] == moment.strftime("%Y%m%dT%H%M%SZ")
        expected = by_the_sdk(request, "sqs.eu-central-1.amazonaws.com", "eu-central-1", credentials)
        assert request.headers["authorization"] == expected


@pytest.mark.parametrize("wrong", ["a b", "a\r\nhost: x", "a\n", "ä", "\x00"])
def test_credentials_that_fit_no_header_are_known(wrong: str) -> None:
    assert Credentials("key", "any secret\n", "token/+=").is_plain
    assert not Credentials(wrong, "secret").is_plain
    assert not Credentials("key", "secret", wrong).is_plain
