"""The attributes of a queue: read from what a client sets, and written for who asks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from websocket_handler.cli.dev.checks import invalid, whole
from websocket_handler.cli.dev.queue import Queue, QueueSettings, SqsError

_NUMBERS: Final = {
    "VisibilityTimeout": ("visibility_s", 0, 43_200),
    "DelaySeconds": ("delay_s", 0, 900),
    "ReceiveMessageWaitTimeSeconds": ("wait_s", 0, 20),
    "MessageRetentionPeriod": ("retention_s", 60, 1_209_600),
    "MaximumMessageSize": ("message_bytes_max", 1024, 1_048_576),
}
_IGNORED: Final = frozenset(
    {
        "FifoQueue",
        "FifoThroughputLimit",
        "KmsDataKeyReusePeriodSeconds",
        "KmsMasterKeyId",
        "Policy",
        "RedriveAllowPolicy",
        "SqsManagedSseEnabled",
    }
)
"""They are taken, and have no effect here."""
RECEIVES_MAX: Final = 1000


def read(queue: Queue, attributes: Mapping[str, str]) -> tuple[QueueSettings, str | None]:
    """The settings after a change, and the ARN of the dead-letter queue: empty if there is to be none, None if nothing
    is said of it. Raises SqsError."""
    settings, arn = replace(queue.settings), None
    for name, value in attributes.items():
        if name in _NUMBERS:
            field, least, most = _NUMBERS[name]
            setattr(settings, field, whole(attributes, name, least, most))
        elif name == "RedrivePolicy":
            arn, settings.receives_max = _redrive(value)
        elif name == "ContentBasedDeduplication" and queue.is_fifo:
            settings.is_deduplicated_by_content = value == "true"
        elif name == "DeduplicationScope" and queue.is_fifo:
            settings.is_deduplicated_by_group = value == "messageGroup"
        elif name not in _IGNORED:
            raise SqsError("InvalidAttributeName", f"Unknown Attribute {name}.")
    return settings, arn


def _redrive(text: str) -> tuple[str, int]:
    if not text:
        return "", 0
    try:
        policy = json.loads(text)
        arn, receives = str(policy["deadLetterTargetArn"]), int(policy["maxReceiveCount"])
    except (ValueError, KeyError, TypeError):
        arn, receives = "", 0
    if not arn or not 1 <= receives <= RECEIVES_MAX:
        raise invalid(
            f"Value {text} for parameter RedrivePolicy is invalid. Reason: It is JSON with deadLetterTargetArn, and "
            f"with maxReceiveCount between 1 and {RECEIVES_MAX}."
        )
    return arn, receives


def described(queue: Queue, names: Iterable[str], now: float) -> dict[str, str]:
    """The attributes that somebody asks for by name, or `All`. Raises SqsError for a name that no attribute has."""
    found = _all(queue, now)
    wanted = set(names)
    unknown = wanted - found.keys() - _NEVER_SET - {"All"}
    if unknown:
        raise SqsError("InvalidAttributeName", f"Unknown Attribute {min(unknown)}.")
    return {name: value for name, value in found.items() if "All" in wanted or name in wanted}


_NEVER_SET: Final = frozenset(
    {*_IGNORED, "RedrivePolicy", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"}
)
"""Attributes that a queue may be without."""


def _all(queue: Queue, now: float) -> dict[str, str]:
    settings, (visible, in_flight, delayed) = queue.settings, queue.counts(now)
    found = {
        "QueueArn": queue.arn,
        "ApproximateNumberOfMessages": str(visible),
        "ApproximateNumberOfMessagesNotVisible": str(in_flight),
        "ApproximateNumberOfMessagesDelayed": str(delayed),
        "CreatedTimestamp": str(int(queue.created_at)),
        "LastModifiedTimestamp": str(int(queue.created_at)),
        **{name: str(getattr(settings, field)) for name, (field, _, _) in _NUMBERS.items()},
        "SqsManagedSseEnabled": "false",
    }
    if queue.dead_letters is not None:
        policy = {"deadLetterTargetArn": queue.dead_letters.arn, "maxReceiveCount": settings.receives_max}
        found["RedrivePolicy"] = json.dumps(policy)
    if queue.is_fifo:
        found["FifoQueue"] = "true"
        found["ContentBasedDeduplication"] = str(settings.is_deduplicated_by_content).lower()
        found["DeduplicationScope"] = "messageGroup" if settings.is_deduplicated_by_group else "queue"
        found["FifoThroughputLimit"] = "perQueue"
    return found
