"""What a fault of AWS, of its SDK or of the way there means for a person: its kind, and what to do about it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from botocore import exceptions as sdk

from websocket_handler.cli.deploy_stack import DeployError
from websocket_handler.cli.faults import TEXT_CHARACTERS_MAX, cause_of, explain, skew_s_of

URL = "http://user:hunter2@localhost:4566"


def refusal(code: str, status: int = 400, message: str = "said") -> sdk.ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return sdk.ClientError(answer, "ListQueues")


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (refusal("AccessDenied", 403), "denied"),
        (refusal("AccessDeniedException"), "denied"),
        (refusal("UnauthorizedOperation"), "denied"),
        (refusal("403", 403), "denied"),
        (refusal("QueueDoesNotExist"), "missing"),
        (refusal("AWS.SimpleQueueService.NonExistentQueue"), "missing"),
        (refusal("ResourceNotFoundException"), "missing"),
        (refusal("ExpiredToken"), "credentials"),
        (refusal("InvalidClientTokenId", 403), "credentials"),
        (refusal("SignatureDoesNotMatch", 403), "credentials"),
        (refusal("UnknownOperationException"), "nonsense"),
        (refusal("404", 404), "nonsense"),
        (refusal("ThrottlingException"), "busy"),
        (refusal("Strange", 503), "busy"),
        (refusal("Strange", 499), "setup"),
        (refusal("ValidationError"), "setup"),
        (sdk.NoCredentialsError(), "credentials"),
        (sdk.EndpointConnectionError(endpoint_url=URL), "unreachable"),
        (sdk.ReadTimeoutError(endpoint_url=URL), "unreachable"),
        (sdk.ProxyConnectionError(proxy_url=URL), "unreachable"),
        (sdk.NoRegionError(), "setup"),
        (DeployError("no stack"), "setup"),
        (KeyError("Attributes"), "nonsense"),
        (ValueError("no JSON"), "nonsense"),
    ],
    ids=lambda value: f"{type(value).__name__}" if isinstance(value, Exception) else value,
)
def test_every_fault_has_its_kind(fault: Exception, cause: str) -> None:
    assert cause_of(fault) == cause


@pytest.mark.parametrize("minutes", [-20, 20])
@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidSignatureException", "RequestExpired"])
def test_a_refusal_whose_date_is_another_is_about_the_clock(code: str, minutes: int) -> None:
    fault = refusal(code)
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    fault.response["ResponseMetadata"]["HTTPHeaders"] = {"date": date}
    assert cause_of(fault) == "clock"
    assert explain(fault).startswith("the clock of this machine is wrong: ")
    assert explain(fault).endswith("Set it")
    assert abs(skew_s_of(fault) - 60 * minutes) < 30
    assert skew_s_of(sdk.HTTPClientError(error="no answer")) == 0


def test_a_refusal_without_a_code_is_told_all_the_same() -> None:
    answers: list[Any] = [{}, {"Error": {}}, {"ResponseMetadata": {}}]
    for answer in answers:
        assert cause_of(sdk.ClientError(answer, "ListQueues")) == "setup"


@pytest.mark.parametrize(
    ("fault", "begin", "end"),
    [
        (refusal("AccessDenied", 403), "you may not ask: ", ". Use credentials that have this right"),
        (refusal("QueueDoesNotExist"), "does not exist: ", ". Create it, or correct the setting that names it"),
        (refusal("Throttling"), "AWS does not answer this now: ", ". Try again later"),
        (KeyError("Attributes"), "the answer is none of AWS: 'Attributes' is missing in it", "or the proxy on the way"),
        (DeployError("no stack"), "no stack", "no stack"),
        (ValueError(), "the answer is none of AWS: ValueError", "or the proxy on the way"),
    ],
    ids=range(6),
)
def test_an_explanation_says_what_is_wrong_and_then_what_to_do(fault: Exception, begin: str, end: str) -> None:
    text = explain(fault)
    assert text.startswith(begin)
    assert text.endswith(end)


@pytest.mark.parametrize(
    ("error", "begin"),
    [
        ("[Errno 111] Connection refused", "nothing listens at http://***@localhost:4566: connection refused. "),
        ("Failed to resolve 'x'", "the name in http://***@localhost:4566 is unknown to DNS. "),
        ("[Errno -2] Name or service not known", "the name in http://***@localhost:4566 is unknown to DNS. "),
        ("reset", "http://***@localhost:4566 ended the connection without an answer: "),
    ],
)
def test_who_is_not_reached_is_named_with_the_way_that_is_broken(error: str, begin: str) -> None:
    assert explain(sdk.EndpointConnectionError(endpoint_url=URL, error=error)).startswith(begin)


def test_a_silent_endpoint_a_wrong_protocol_and_a_proxy_are_told_apart() -> None:
    assert "does not answer in time" in explain(sdk.ConnectTimeoutError(endpoint_url=URL))
    assert "no TLS with" in explain(sdk.SSLError(endpoint_url=URL, error="wrong version"))
    assert "the proxy http://***@localhost:4566 does not take" in explain(sdk.ProxyConnectionError(proxy_url=URL))


def test_no_explanation_shows_credentials_or_more_than_one_line() -> None:
    faults = [
        refusal("AccessDenied", 403, f"no right to {URL}/queue\nand more"),
        sdk.EndpointConnectionError(endpoint_url=URL, error="refused"),
        ValueError(f"{URL} said é\x1b[31m"),
    ]
    for fault in faults:
        text = explain(fault)
        assert "hunter2" not in text
        assert text.isascii()
        assert len(text.splitlines()) == 1


def test_a_long_text_is_cut_at_its_maximum() -> None:
    exact = explain(DeployError("x" * TEXT_CHARACTERS_MAX))
    assert exact == "x" * TEXT_CHARACTERS_MAX
    assert explain(DeployError("x" * (TEXT_CHARACTERS_MAX + 1))) == exact + "..."
