"""What AWS's errors mean for the one who called: the same for every client that speaks to AWS."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final

REASON_CHARACTERS_MAX: Final = 300
_TRANSIENT_CODES: Final = frozenset(
    {
        "EC2ThrottledException",
        "ExpiredToken",
        "ExpiredTokenException",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "KMS.ThrottlingException",
        "KmsThrottled",
        "LimitExceededException",
        "OverLimit",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestExpired",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
_GONE_CODES: Final = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "AWS.SimpleQueueService.QueueDeletedRecently",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
    }
)
_DENIED_CODES: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidSignatureException",
        "KmsAccessDenied",
        "MissingAuthenticationToken",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)


class Fault(Enum):
    """What an AWS error means for the one who called."""

    TRANSIENT = auto()
    """Throttled, timed out, cut off or failed inside AWS: the same call may succeed soon."""
    GONE = auto()
    """The queue or table does not exist (any more): an operator has to act."""
    DENIED = auto()
    """Credentials or rights are missing: an operator has to act."""
    REFUSED = auto()
    """The sender's fault: the same call will be refused again."""


class AwsError(Exception):
    """A failed AWS call. `code` is AWS's word for it, `response` the parsed error answer if there was one."""

    def __init__(self, fault: Fault, code: str, message: str, response: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {message}"[:REASON_CHARACTERS_MAX])
        self.fault = fault
        self.code = code
        self.response: Mapping[str, Any] = response or {}


def sdk_errors() -> tuple[type[Exception], ...]:
    """What the SDK raises when a call fails. To be named in an `except`, which looks it up only when something was
    raised: the SDK loads when it is first used."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    return BotoCoreError, ClientError, OSError


def meaning_of_exception(error: Exception) -> AwsError:
    """What one of `sdk_errors` means."""
    from botocore.exceptions import (  # noqa: PLC0415 - as above
        ClientError,
        NoCredentialsError,
        NoRegionError,
        PartialCredentialsError,
    )

    if isinstance(error, ClientError):
        return meaning_of_answer(error.response)
    is_denied = isinstance(error, NoCredentialsError | NoRegionError | PartialCredentialsError)
    return AwsError(Fault.DENIED if is_denied else Fault.TRANSIENT, type(error).__name__, str(error))


def meaning_of_answer(response: Mapping[str, Any]) -> AwsError:
    """What an error answer means, in the form that the SDK gives it: `Error.Code`, `Error.Message`,
    `ResponseMetadata.HTTPStatusCode`."""
    details = response.get("Error", {})
    code = str(details.get("Code", "Unknown"))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _GONE_CODES:
        fault = Fault.GONE
    elif code in _TRANSIENT_CODES or status >= 500 or status == 429:
        fault = Fault.TRANSIENT
    elif code in _DENIED_CODES or status in {401, 403}:
        fault = Fault.DENIED
    else:
        fault = Fault.REFUSED
    return AwsError(fault, code, str(details.get("Message", "")), response)
