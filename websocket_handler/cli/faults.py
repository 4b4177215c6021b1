"""What a fault of AWS, of its SDK or of the way there means: what is wrong, and what to do about it."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from websocket_handler.adapters.aws.clock import AwsClock
from websocket_handler.cli.deploy_stack import DeployError
from websocket_handler.variables.shown import redacted

Cause = Literal["denied", "missing", "clock", "credentials", "unreachable", "nonsense", "busy", "setup"]
"""denied: the person has no right to ask. missing: what was asked for does not exist. clock: this machine's is wrong,
and AWS refuses its signatures. credentials: there are none, or AWS refuses them. unreachable: nobody answers. nonsense:
who answers is no AWS. busy: AWS asks to come back later. setup: the rest."""

TEXT_CHARACTERS_MAX: Final = 300
_URL: Final = re.compile(r"""https?://[^\s"']+""")
_CODES: Final[dict[str, Cause]] = {
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "InvalidAccessKeyId"), "credentials"
    ),
    **dict.fromkeys(("UnrecognizedClientException", "AuthFailure", "SignatureDoesNotMatch"), "credentials"),
    **dict.fromkeys(("InvalidSignatureException", "IncompleteSignature", "RequestExpired"), "credentials"),
    **dict.fromkeys(("MissingAuthenticationToken", "MissingAuthenticationTokenException"), "credentials"),
    **dict.fromkeys(("UnknownOperationException", "InvalidAction", "NotImplemented", "501", "404", "405"), "nonsense"),
    **dict.fromkeys(("Throttling", "ThrottlingException", "RequestThrottled", "TooManyRequestsException"), "busy"),
}
_DENIED: Final = re.compile(r"AccessDenied|Unauthorized|AuthorizationError|Forbidden|^403$", re.IGNORECASE)
_MISSING: Final = re.compile(r"NotFound|NonExistent|DoesNotExist|NoSuch", re.IGNORECASE)
_CREDENTIALS: Final = re.compile(r"Credential|SSO|Token|Login")
_UNREACHABLE: Final = re.compile(r"Connect|Timeout|SSLError|HTTPClientError|Proxy")


def cause_of(fault: BaseException) -> Cause:
    """The kind of a fault. Everything that is no error of the SDK is nonsense: an answer that cannot be read."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - loads only where it is used

    if isinstance(fault, ClientError):
        return "clock" if skew_s_of(fault) else _cause_of_refusal(fault.response)
    if isinstance(fault, BotoCoreError):
        name = type(fault).__name__
        if _CREDENTIALS.search(name):
            return "credentials"
        return "unreachable" if _UNREACHABLE.search(name) else "setup"
    return "setup" if isinstance(fault, DeployError) else "nonsense"


def skew_s_of(fault: BaseException, now: Callable[[], float] = time.time) -> float:
    """By how many seconds AWS's clock is ahead of this machine's, if AWS refused a request because of that; else 0."""
    answer = getattr(fault, "response", None) or {}
    code = str(answer.get("Error", {}).get("Code", ""))
    date = str(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", ""))
    clock = AwsClock(now)
    return clock.skew_s if clock.was_wrong(code, date, 0.0) else 0.0


def _cause_of_refusal(answer: Mapping[str, Any]) -> Cause:
    code = str(answer.get("Error", {}).get("Code", ""))
    if code in _CODES:
        return _CODES[code]
    if _DENIED.search(code):
        return "denied"
    if _MISSING.search(code):
        return "missing"
    return "busy" if answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500 else "setup"


_ADVICE: Final[Mapping[Cause, tuple[str, str]]] = {
    "denied": ("you may not ask", "Use credentials that have this right"),
    "missing": ("does not exist", "Create it, or correct the setting that names it"),
    "clock": ("the clock of this machine is wrong", "Set it"),
    "credentials": ("the credentials cannot be used", "Renew them, or name others: AWS_PROFILE, --profile, a role"),
    "nonsense": ("the answer is none of AWS", "Correct AWS_ENDPOINT_URL, or the proxy on the way"),
    "busy": ("AWS does not answer this now", "Try again later"),
}
"""What is wrong, and what to do."""


def explain(fault: BaseException) -> str:
    """A fault on one line: what is wrong, then what to do. It shows no credentials."""
    cause, text = cause_of(fault), _text(fault)
    if cause == "unreachable":
        return _unreachable(fault, text)
    if cause not in _ADVICE:
        return text
    wrong, advice = _ADVICE[cause]
    return f"{wrong}: {text}. {advice}"


def _text(fault: BaseException) -> str:
    """The fault's own words, short and on one line. A bare KeyError says nothing without its type."""
    words = " ".join(str(fault).split())
    if isinstance(fault, KeyError):
        words = f"{words} is missing in it"
    elif not words:
        words = type(fault).__name__
    shown = _URL.sub(lambda found: redacted(found[0]), words).rstrip(".")
    shown = shown.encode("ascii", "backslashreplace").decode()
    return shown if len(shown) <= TEXT_CHARACTERS_MAX else shown[:TEXT_CHARACTERS_MAX] + "..."


def _unreachable(fault: BaseException, text: str) -> str:
    given = getattr(fault, "kwargs", {})
    cause = str(given.get("error", ""))
    where = redacted(str(given.get("endpoint_url") or given.get("proxy_url") or "the endpoint"))
    name = type(fault).__name__
    for is_it, wrong, advice in (
        (
            any(word in cause for word in ("resolve", "getaddrinfo", "Name or service")),
            f"the name in {where} is unknown to DNS",
            "Correct AWS_ENDPOINT_URL or the region, or the network's DNS",
        ),
        (
            "refused" in cause,
            f"nothing listens at {where}: connection refused",
            "Start what should listen there, or correct AWS_ENDPOINT_URL",
        ),
        (
            "Timeout" in name,
            f"{where} does not answer in time",
            "Look for a firewall, a security group or a missing VPC endpoint on the way",
        ),
        (
            "SSL" in name,
            f"no TLS with {where}: {text}",
            "Write http for a plain port, or name the certificates in AWS_CA_BUNDLE",
        ),
        (
            "Proxy" in name,
            f"the proxy {where} does not take the call",
            "Correct HTTPS_PROXY, or add the host to NO_PROXY",
        ),
    ):
        if is_it:
            return f"{wrong}. {advice}"
    return f"{where} ended the connection without an answer: {text}. Correct AWS_ENDPOINT_URL; a TLS port needs https"
