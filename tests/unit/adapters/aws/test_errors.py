"""Who can end a fault of AWS: time, an operator, or the sender."""

import pytest

from websocket_handler.adapters.aws.errors import AwsError, Fault, known_fault, meaning_of_answer

PASSES = [
    ("ThrottlingException", 400, ""),
    ("ProvisionedThroughputExceededException", 400, ""),
    ("RequestThrottled", 400, ""),
    ("KMS.ThrottlingException", 400, ""),
    ("OverLimit", 403, ""),
    ("TransactionConflictException", 400, ""),
    ("InternalServerError", 500, ""),
    ("503", 503, "Service Unavailable"),
    ("TooManyRequests", 429, ""),
    ("ExpiredToken", 403, "The security token included in the request is expired"),
    ("ExpiredTokenException", 400, ""),
    ("RequestTimeTooSkewed", 403, ""),
    ("RequestExpired", 400, ""),
]
OPERATORS = [
    ("AWS.SimpleQueueService.NonExistentQueue", 400, "", Fault.GONE),
    ("QueueDoesNotExist", 400, "", Fault.GONE),
    ("ResourceNotFoundException", 400, "Requested resource not found", Fault.GONE),
    ("InvalidAddress", 404, "", Fault.GONE),
    ("KMS.NotFoundException", 400, "", Fault.GONE),
    ("AccessDenied", 403, "", Fault.DENIED),
    ("AccessDeniedException", 400, "", Fault.DENIED),
    ("KmsAccessDenied", 400, "", Fault.DENIED),
    ("KMS.DisabledException", 400, "", Fault.DENIED),
    ("KmsInvalidState", 400, "", Fault.DENIED),
    ("InvalidClientTokenId", 403, "", Fault.DENIED),
    ("UnrecognizedClientException", 400, "", Fault.DENIED),
    ("InvalidSignatureException", 400, "", Fault.DENIED),
    ("SignatureDoesNotMatch", 403, "", Fault.DENIED),
    ("MissingAuthenticationToken", 403, "", Fault.DENIED),
    ("OptInRequired", 403, "", Fault.DENIED),
    ("ANewWord", 403, "", Fault.DENIED),
    ("AWS.SimpleQueueService.UnsupportedOperation", 400, "", Fault.UNFIT),
    ("ValidationException", 400, "Query condition missed key schema element: PK", Fault.UNFIT),
    ("ValidationException", 400, "The provided key element does not match the schema", Fault.UNFIT),
    ("ValidationException", 400, "Query key condition not supported", Fault.UNFIT),
    (
        "ValidationException",
        400,
        "One or more parameter values were invalid: Condition parameter type does not match schema type",
        Fault.UNFIT,
    ),
    (
        "ValidationException",
        400,
        "One or more parameter values were invalid: Missing the key id in the item",
        Fault.UNFIT,
    ),
    (
        "ValidationException",
        400,
        "One or more parameter values were invalid: Type mismatch for key PK expected: N actual: S",
        Fault.UNFIT,
    ),
]
OTHER_SERVERS = [
    ("UnknownOperationException", 400, "", Fault.UNFIT),
    ("UnknownOperationException", 404, "", Fault.UNFIT),
    ("InvalidAction", 400, "", Fault.UNFIT),
    ("301", 301, "<html>Moved Permanently</html>", Fault.UNFIT),
    ("302", 302, "", Fault.UNFIT),
    ("307", 307, "", Fault.UNFIT),
    ("308", 308, "", Fault.UNFIT),
    ("404", 404, "<html>Not Found</html>", Fault.UNFIT),
    ("405", 405, "Method Not Allowed", Fault.UNFIT),
    ("407", 407, "Proxy Authentication Required", Fault.UNFIT),
    ("421", 421, "Misdirected Request", Fault.UNFIT),
    ("426", 426, "Upgrade Required", Fault.UNFIT),
]
"""What comes from a server that is no AWS: a proxy, or a wrong AWS_ENDPOINT_URL."""
SENDERS = [
    ("400", 400, "Bad Request"),
    ("413", 413, "Request Entity Too Large"),
    ("ANewWord", 404, ""),
    ("InvalidMessageContents", 400, ""),
    ("InvalidParameterValue", 400, ""),
    ("MissingParameter", 400, ""),
    ("BatchRequestTooLong", 400, ""),
    ("ConditionalCheckFailedException", 400, ""),
    ("ValidationException", 400, "Item size has exceeded the maximum allowed size"),
    ("ANewWord", 400, ""),
]


def meaning(code: str, status: int, message: str) -> AwsError:
    """The error of an answer."""
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return meaning_of_answer(answer)


@pytest.mark.parametrize(("code", "status", "message"), PASSES)
def test_these_pass(code: str, status: int, message: str) -> None:
    assert meaning(code, status, message).fault is Fault.TRANSIENT


@pytest.mark.parametrize(("code", "status", "message", "fault"), [*OPERATORS, *OTHER_SERVERS])
def test_these_only_an_operator_can_end(code: str, status: int, message: str, fault: Fault) -> None:
    found = meaning(code, status, message).fault
    assert found is fault
    assert found.is_operators


@pytest.mark.parametrize(("code", "status", "message"), SENDERS)
def test_these_are_the_senders(code: str, status: int, message: str) -> None:
    found = meaning(code, status, message).fault
    assert found is Fault.REFUSED
    assert not found.is_operators


def test_every_error_that_the_sdk_knows_of_a_queue_is_in_the_table() -> None:
    """The names in botocore's model that say something about a queue, its key or the caller."""
    import botocore.session  # noqa: PLC0415 - the SDK loads only where it is used

    model = botocore.session.Session().get_service_model("sqs")
    operations = ["SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch", "GetQueueAttributes"]
    operations.append("ChangeMessageVisibilityBatch")
    shapes = {shape.name for name in operations for shape in model.operation_model(name).error_shapes}
    about_the_batch = {"BatchEntryIdsNotDistinct", "BatchRequestTooLong", "EmptyBatchRequest", "InvalidAttributeName"}
    about_the_batch |= {"InvalidBatchEntryId", "TooManyEntriesInBatchRequest"}
    assert {name for name in shapes if known_fault(name) is None} == about_the_batch


def test_an_error_names_what_it_is_about() -> None:
    error = meaning("QueueDoesNotExist", 400, "no such queue").about("SQS_QUEUE_URL_QA=https://q/1/qa")
    assert str(error) == "SQS_QUEUE_URL_QA=https://q/1/qa: QueueDoesNotExist: no such queue"
    assert (error.fault, error.code) == (Fault.GONE, "QueueDoesNotExist")


@pytest.mark.parametrize(
    ("code", "is_one_right"), [("AccessDenied", True), ("AccessDeniedException", True), ("InvalidClientTokenId", False)]
)
def test_a_missing_right_is_not_a_stranger(code: str, is_one_right: bool) -> None:
    assert meaning(code, 403, "").is_of_one_right is is_one_right
