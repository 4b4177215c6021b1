"""What the settings must be beyond their types: the rules of a text, and those that join several settings."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from websocket_handler.access.origins import read_origins
from websocket_handler.adapters.aws.dynamodb_log import DynamoDbLogStore
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.adapters.valkey.entry import SEGMENT_LIMITS
from websocket_handler.adapters.valkey.url import UnusableUrl, read_url
from websocket_handler.variables.hosts import read_hosts
from websocket_handler.variables.urls import check_queue_url, check_url, guess_url

WRITE_MARGIN_BYTES: Final = 1024
"""What a publication's frame and splice add to the publisher's object, generously."""
OBJECT_BYTES_MAX: Final = {
    "dynamodb": DynamoDbLogStore.limits.object_bytes,
    "memory": MemoryLogStore.limits.object_bytes,
    "valkey": SEGMENT_LIMITS.object_bytes,
}
"""The largest object that each log store takes."""
_TABLE: Final = re.compile(r"(arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{12}:table/)?[A-Za-z0-9_.-]{3,255}")

_TARGET_GROUP: Final = re.compile(r"arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]+:targetgroup/[A-Za-z0-9/-]+")
_SOME_GROUP: Final = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/gateway/0123456789abcdef"

Found = tuple[str, str] | tuple[str, str, str | None]
"""A variable, what is wrong with it, and a value that may have been meant."""


def related_problems(values: Mapping[str, object]) -> Iterator[Found]:
    """Rules that the type of one variable does not tell."""
    for name, value in values.items():
        if name.startswith("sqs_queue_url") or name == "aws_endpoint_url":
            try:
                (check_url if name == "aws_endpoint_url" else check_queue_url)(str(value))
            except ValueError as error:
                yield name.upper(), str(error), guess_url(str(value)) or None
    store = str(values.get("log_store") or "dynamodb")
    yield from _limit_problems(values, store)
    yield from _valkey_problems(values, store)
    yield from _name_problems(values)
    try:
        read_hosts(str(values.get("websocket_host", "0.0.0.0")))
    except ValueError as error:
        yield "WEBSOCKET_HOST", str(error)
    for name in ("allowed_origins", "jwt_secrets", "jwt_algorithms", "jwt_issuer"):
        if values.get(name) and not str(values[name]).strip(", "):
            yield name.upper(), "has no entry beside its commas"
    try:
        read_origins(str(values.get("allowed_origins", "")))
    except ValueError as error:
        yield "ALLOWED_ORIGINS", str(error)
    if values.get("auth_mode") == "jwt":
        yield from _jwt_problems(values)


def _limit_problems(values: Mapping[str, object], store: str) -> Iterator[Found]:
    """Rules for sizes and rates."""
    outbox = int(str(values.get("outbox_bytes", 262_144)))
    message = int(str(values.get("max_message_bytes", 65_536)))
    least = 2 * (message + WRITE_MARGIN_BYTES)
    if outbox < least:
        yield "OUTBOX_BYTES", f"must be at least {least}, the size of two messages", str(least)
    object_bytes_max = OBJECT_BYTES_MAX.get(store, message)
    if message > object_bytes_max:
        reason = f"must be at most {object_bytes_max} with LOG_STORE={store}"
        yield "MAX_MESSAGE_BYTES", reason, str(object_bytes_max)
    for name in ("publishes_per_second", "publish_bytes_per_second"):
        if -1 < float(str(values.get(name, 0))) < 0:
            yield name.upper(), "must be -1, or at least 0"


def _name_problems(values: Mapping[str, object]) -> Iterator[Found]:
    """Rules for the names of what is on AWS."""
    if not _TABLE.fullmatch(str(values.get("dynamodb_table_name", "table"))):
        yield "DYNAMODB_TABLE_NAME", "must be 3 to 255 letters, digits, '_', '-' and '.', or the ARN of a table"
    if not _TARGET_GROUP.fullmatch(str(values.get("target_group_arn") or _SOME_GROUP)):
        yield "TARGET_GROUP_ARN", "must be the ARN of a target group", _SOME_GROUP


def _valkey_problems(values: Mapping[str, object], store: str) -> Iterator[Found]:
    """Rules for the settings of many nodes."""
    backplane, url = values.get("backplane") or "", str(values.get("valkey_url") or "")
    user = next((name for name, value in (("LOG_STORE", store), ("BACKPLANE", backplane)) if value == "valkey"), None)
    if user is not None and not url:
        yield "VALKEY_URL", f"is required with {user}=valkey"
    if store == "valkey" and backplane == "none":
        yield "BACKPLANE", "must be valkey with LOG_STORE=valkey: other nodes write to the same logs", "valkey"
    if store == "memory" and backplane == "valkey":
        yield "BACKPLANE", "must be none with LOG_STORE=memory: no other node has these logs", "none"
    if url:
        try:
            read_url(url)
        except UnusableUrl as error:
            yield "VALKEY_URL", str(error)


def _jwt_problems(values: Mapping[str, object]) -> Iterator[Found]:
    from websocket_handler.adapters.jwt import setup  # noqa: PLC0415 - cryptography loads only where it is used

    for problem in setup.find_problems(setup.JwtSettings.of(values)):
        # AUTH_MODE gets no example: it would be the default, which lets everybody in.
        yield problem.variable, problem.reason, "" if problem.variable == "AUTH_MODE" else None
