"""What AWS's errors mean for the one who called: one table, the same for every call.

The question is who can end the fault: time, an operator, or the sender. docs/decisions/0022-aws-faults.md gives the
consequences.
"""

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final

REASON_CHARACTERS_MAX: Final = 500


class Fault(Enum):
    """What an AWS error means for the one who called."""

    TRANSIENT = auto()
    """Throttled, timed out, cut off, failed inside AWS, or with credentials that are being renewed: the same call may
    succeed soon."""
    GONE = auto()
    """The queue, the table or its key does not exist (any more): an operator has to act."""
    DENIED = auto()
    """Credentials or rights are missing, for the queue, the table, or the key that encrypts it: an operator has to
    act."""
    UNFIT = auto()
    """The queue or table is of another form than the gateway needs, or another server answers in the place of AWS: an
    operator has to act."""
    REFUSED = auto()
    """The sender's fault: the same call will be refused again."""

    @property
    def is_operators(self) -> bool:
        """True if only an operator can end it."""
        return self in _OPERATORS


_OPERATORS: Final = frozenset({Fault.GONE, Fault.DENIED, Fault.UNFIT})
_RIGHTS: Final = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"})
_CODES: Final[Mapping[Fault, str]] = {
    Fault.TRANSIENT: """
        EC2ThrottledException InternalError InternalFailure InternalServerError InternalServiceError
        KMS.ThrottlingException KMSThrottlingException KmsThrottled LimitExceededException OverLimit
        AWS.SimpleQueueService.OverLimit PriorRequestNotComplete ProvisionedThroughputExceededException
        ReplicatedWriteConflictException RequestLimitExceeded RequestThrottled RequestThrottledException
        RequestTimeout RequestTimeoutException ResourceInUseException ServiceUnavailable ServiceUnavailableException
        SlowDown ThrottledException Throttling ThrottlingException TooManyRequestsException
        TransactionConflictException TransactionInProgressException
        ExpiredToken ExpiredTokenException TokenRefreshRequired
        RequestExpired RequestInTheFuture RequestTimeTooSkewed
        """,
    Fault.GONE: """
        AWS.SimpleQueueService.NonExistentQueue AWS.SimpleQueueService.QueueDeletedRecently QueueDeletedRecently
        QueueDoesNotExist ResourceNotFoundException TableNotFoundException InvalidAddress
        KMS.NotFoundException KMSNotFoundException KmsNotFound
        """,
    Fault.DENIED: """
        AccessDenied AccessDeniedException AuthorizationError UnauthorizedOperation OptInRequired
        KMS.AccessDeniedException KMSAccessDeniedException KmsAccessDenied
        KMS.DisabledException KMSDisabledException KmsDisabled
        KMS.InvalidKeyUsageException KMSInvalidKeyUsageException KmsInvalidKeyUsage
        KMS.InvalidStateException KMSInvalidStateException KmsInvalidState
        KMS.OptInRequired KMSOptInRequired KmsOptInRequired
        AuthFailure IncompleteSignature IncompleteSignatureException InvalidAccessKeyId InvalidClientTokenId
        InvalidSecurity InvalidSignatureException MissingAuthenticationToken MissingAuthenticationTokenException
        NotAuthorized SignatureDoesNotMatch UnrecognizedClientException
        """,
    Fault.UNFIT: """
        AWS.SimpleQueueService.UnsupportedOperation UnsupportedOperation
        InvalidAction UnknownOperation UnknownOperationException
        """,
}
_FAULTS: Final[Mapping[str, Fault]] = {code: fault for fault, codes in _CODES.items() for code in codes.split()}
_OTHER_KEYS: Final = re.compile(
    "key schema element|does not match (the )?schema|missing the key|type mismatch for key"
    "|query key condition not supported",
    re.IGNORECASE,
)
"""How DynamoDB says that a table has other keys; the code of these errors is the one of every wrong request."""


_OF_NO_SERVICE: Final = frozenset({*range(300, 400), 404, 405, 407, 421, 426})
"""Statuses of an answer without an error code of AWS that no SQS and no DynamoDB gives: another server answers here."""


class AwsError(Exception):
    """A failed AWS call. `code` is AWS's word for it, `response` the parsed error answer if there was one; `subject`
    says which queue or table it is about, and which setting names it."""

    def __init__(
        self, fault: Fault, code: str, message: str, response: Mapping[str, Any] | None = None, subject: str = ""
    ) -> None:
        about = f"{subject}: " if subject else ""
        super().__init__(f"{about}{code}: {message}"[:REASON_CHARACTERS_MAX])
        self.fault = fault
        self.code = code
        self.message = message
        self.response: Mapping[str, Any] = response or {}

    @property
    def is_of_one_right(self) -> bool:
        """True if AWS knows who asks, and does not permit this one operation."""
        return self.code in _RIGHTS

    def about(self, subject: str) -> "AwsError":
        """The same error, which names what it is about."""
        return AwsError(self.fault, self.code, self.message, self.response, subject)


def sdk_errors() -> tuple[type[Exception], ...]:
    """What the SDK raises when a call fails. To be named in an `except`, which looks it up only when something was
    raised: the SDK loads when it is first used."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    return BotoCoreError, ClientError, OSError


def meaning_of_exception(error: Exception) -> AwsError:
    """What one of `sdk_errors` means."""
    from botocore.exceptions import (  # noqa: PLC0415 - as above
        ClientError,
        ConfigNotFound,
        ConfigParseError,
        InvalidRegionError,
        NoCredentialsError,
        NoRegionError,
        PartialCredentialsError,
        ProfileNotFound,
    )

    if isinstance(error, ClientError):
        return meaning_of_answer(error.response)
    of_settings = (ConfigNotFound, ConfigParseError, InvalidRegionError, NoRegionError, ProfileNotFound)
    is_denied = isinstance(error, (NoCredentialsError, PartialCredentialsError, *of_settings))
    return AwsError(Fault.DENIED if is_denied else Fault.TRANSIENT, type(error).__name__, str(error))


def meaning_of_answer(response: Mapping[str, Any]) -> AwsError:
    """What an error answer means, in the form that the SDK gives it: `Error.Code`, `Error.Message`,
    `ResponseMetadata.HTTPStatusCode`."""
    details = response.get("Error", {})
    code = str(details.get("Code", "Unknown"))
    message = str(details.get("Message", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return AwsError(_fault_of(code, message, status), code, message, response)


def known_fault(code: str) -> Fault | None:
    """What an error code means; None if it is not in the table."""
    return _FAULTS.get(code)


def _fault_of(code: str, message: str, status: int) -> Fault:
    if known := known_fault(code):
        return known
    if status >= 500 or status == 429:
        return Fault.TRANSIENT
    if code == str(status) and status in _OF_NO_SERVICE:
        return Fault.UNFIT
    if status in {401, 403}:
        return Fault.DENIED
    if code == "ValidationException" and _OTHER_KEYS.search(message):
        return Fault.UNFIT
    return Fault.REFUSED
