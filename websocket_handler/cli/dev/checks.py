"""What SQS refuses: characters, sizes, names, numbers. Each check raises what SQS answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from websocket_handler.cli.dev.queue import Queue, Sent, SqsError

ATTRIBUTES_MAX: Final = 10
ENTRIES_MAX: Final = 10
BATCH_BYTES_MAX: Final = 1_048_576
_PREFIX: Final = "AWS.SimpleQueueService."
_BAD_CHARACTER: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENTRY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
_FIFO_ID: Final = re.compile(r"[!-~]{1,128}")
_QUEUE_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo")
_ATTRIBUTE_NAME: Final = re.compile(r"(?!\.)(?!.*\.\.)[A-Za-z0-9_.-]{1,256}(?<!\.)")
_RESERVED: Final = re.compile(r"(aws|amazon)\.", re.IGNORECASE)
_DATA_TYPE: Final = re.compile(r"(String|Number|Binary)(\..{1,256})?")


def invalid(message: str) -> SqsError:
    """A parameter that cannot be used."""
    return SqsError("InvalidParameterValue", message)


def missing(name: str) -> SqsError:
    """A parameter that has to be there."""
    return SqsError("MissingParameter", f"The request must contain the parameter {name}.")


def text(given: Mapping[str, Any], name: str) -> str:
    """A text that has to be there, and is not empty."""
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise missing(name)
    return value


def whole(given: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    """A whole number between two others; None if it is not there."""
    value = given.get(name)
    if value is None:
        return None
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = least - 1
    if isinstance(value, bool) or not least <= number <= most:
        raise invalid(
            f"Value {value} for parameter {name} is invalid. Reason: Must be between {least} and {most}, if provided."
        )
    return number


def queue_name(name: str) -> None:
    """Raises SqsError unless a queue may have this name."""
    if not _QUEUE_NAME.fullmatch(name):
        raise invalid(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length, .fifo included."
        )


def sent(queue: Queue, given: Mapping[str, Any]) -> Sent:
    """What a sender gave, checked."""
    body = text(given, "MessageBody")
    attributes = given.get("MessageAttributes") or {}
    _check_text(body, "message body")
    _check_attributes(attributes)
    size = len(body.encode("utf-8", "surrogatepass")) + sum(
        _attribute_size(name, attribute) for name, attribute in attributes.items()
    )
    most = queue.settings.message_bytes_max
    if size > most:
        raise invalid(f"One or more parameters are invalid. Reason: Message must be shorter than {most} bytes.")
    group, deduplication = given.get("MessageGroupId"), given.get("MessageDeduplicationId")
    _check_fifo(queue, group, deduplication, given.get("DelaySeconds"))
    system = given.get("MessageSystemAttributes") or {}
    return Sent(
        body=body,
        attributes=attributes,
        group=group,
        deduplication=deduplication,
        delay_s=whole(given, "DelaySeconds", 0, 900),
        trace_header=(system.get("AWSTraceHeader") or {}).get("StringValue"),
        size=size,
    )


def batch(entries: Any) -> Sequence[Mapping[str, Any]]:
    """The entries of a batch. Raises SqsError for what makes SQS refuse the whole batch."""
    if not entries or not isinstance(entries, list):
        raise SqsError(
            "EmptyBatchRequest", "There should be at least one entry in the request.", f"{_PREFIX}EmptyBatchRequest"
        )
    if len(entries) > ENTRIES_MAX:
        raise SqsError(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {ENTRIES_MAX}. You have sent {len(entries)}.",
            f"{_PREFIX}TooManyEntriesInBatchRequest",
        )
    seen: set[str] = set()
    for entry in entries:
        name = str(entry.get("Id"))
        if not _ENTRY_ID.fullmatch(name):
            raise SqsError(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most "
                "80 letters long.",
                f"{_PREFIX}InvalidBatchEntryId",
            )
        if name in seen:
            raise SqsError("BatchEntryIdsNotDistinct", f"Id {name} repeated.", f"{_PREFIX}BatchEntryIdsNotDistinct")
        seen.add(name)
    return entries


def batch_size(entries: Sequence[Mapping[str, Any]]) -> None:
    """Raises SqsError if the messages of a batch are too large together."""
    size = sum(
        len(str(entry.get("MessageBody") or "").encode("utf-8", "surrogatepass"))
        + sum(_attribute_size(name, value) for name, value in (entry.get("MessageAttributes") or {}).items())
        for entry in entries
    )
    if size > BATCH_BYTES_MAX:
        raise SqsError(
            "BatchRequestTooLong",
            f"Batch requests cannot be longer than {BATCH_BYTES_MAX} bytes. You have sent {size} bytes.",
            f"{_PREFIX}BatchRequestTooLong",
        )


def _check_text(value: str, place: str) -> None:
    if match := _BAD_CHARACTER.search(value):
        raise SqsError(
            "InvalidMessageContents",
            f"Invalid binary character '#x{ord(match.group()):X}' was found in the {place}, the set of allowed "
            "characters is #x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] | [#x10000-#x10FFFF].",
        )


def _check_attributes(attributes: Mapping[str, Any]) -> None:
    if len(attributes) > ATTRIBUTES_MAX:
        raise invalid(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{ATTRIBUTES_MAX}]."
        )
    for name, attribute in attributes.items():
        if not _ATTRIBUTE_NAME.fullmatch(name) or _RESERVED.match(name):
            raise invalid(f"Message (user) attribute name '{name}' cannot be used.")
        kind = str(attribute.get("DataType") or "")
        if not _DATA_TYPE.fullmatch(kind):
            raise invalid(f"The message attribute '{name}' has an invalid message attribute type.")
        value = attribute.get("BinaryValue" if kind.startswith("Binary") else "StringValue")
        if not value:
            raise invalid(f"Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'.")
        _check_text(attribute.get("StringValue") or "", "message attribute value")


def _attribute_size(name: str, attribute: Mapping[str, Any]) -> int:
    """SQS counts the name, the type and the value. Base64 has four characters for three bytes."""
    named = f"{name}{attribute.get('DataType') or ''}{attribute.get('StringValue') or ''}"
    binary = str(attribute.get("BinaryValue") or "")
    return len(named.encode("utf-8", "surrogatepass")) + len(binary) * 3 // 4 - binary[-2:].count("=")


def _check_fifo(queue: Queue, group: Any, deduplication: Any, delay_s: Any) -> None:
    for name, value in (("MessageGroupId", group), ("MessageDeduplicationId", deduplication)):
        if value is not None and not _FIFO_ID.fullmatch(str(value)):
            raise invalid(
                f"Value {value} for parameter {name} is invalid. Reason: {name} can only include alphanumeric and "
                "punctuation characters. 1 to 128 in length."
            )
    if not queue.is_fifo:
        if deduplication is not None:
            raise invalid(
                f"Value {deduplication} for parameter MessageDeduplicationId is invalid. Reason: The request includes "
                "a parameter that is not valid for this queue type."
            )
        return
    if group is None:
        raise missing("MessageGroupId")
    if deduplication is None and not queue.settings.is_deduplicated_by_content:
        raise invalid(
            "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
            "explicitly."
        )
    if delay_s:
        raise invalid(
            f"Value {delay_s} for parameter DelaySeconds is invalid. Reason: The request include parameter that is not "
            "valid for this queue type."
        )
