"""Corrects moto's SQS: it refuses what real SQS refuses, and no call scans the whole queue.

moto 5.2.5 accepts invalid characters, empty bodies and too many attributes, forgets FIFO duplicates once the
first message is deleted, and loses messages when calls run at the same time. `install()` replaces those
methods; it knows nothing about HTTP.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto.core import responses
from moto.core.utils import unix_time_millis
from moto.sqs import models
from moto.sqs.exceptions import (
    BatchEntryIdsNotDistinct,
    BatchRequestTooLong,
    InvalidBatchEntryId,
    InvalidParameterValue,
    MissingParameter,
    ReceiptHandleIsInvalid,
    SQSException,
    TooManyEntriesInBatchRequest,
)

MESSAGE_ATTRIBUTES_MAX = 10
BATCH_ENTRIES_MAX = 10
BATCH_BYTES_MAX = 1_048_576
DEDUPLICATION_WINDOW_S = 300.0
LOOK_S = 1.0
"""How often a long poll looks for messages that became visible again: nothing tells of those."""

INVALID_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
BATCH_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
FIFO_ID = re.compile(r"[!-~]{1,128}")
RESERVED_ATTRIBUTE_NAME = re.compile(r"(aws|amazon)\.", re.IGNORECASE)

# The thread that serves a long poll asks this before it takes messages (see `_polling`).
current_request = threading.local()


class ClientGoneError(Exception):
    """The client of a long poll closed its connection; there is nobody to answer."""


_sequence_numbers = itertools.count(1)
_moto_attributes: Callable[[Any], dict[str, Any]] = vars(models.Queue)["attributes"].fget
_moto_send_message: Callable[..., Any] = models.SQSBackend.send_message


def install() -> None:
    """Replaces the methods of moto's SQS in this process. Call it once, before the first request."""
    queue, backend = models.Queue, models.SQSBackend
    corrections: list[tuple[Any, str, Any]] = [
        (queue, "attributes", property(_QueueAttributes)),
        (queue, "messages", property(_visible_messages)),
        (queue, "approximate_number_of_messages", property(lambda self: sum(1 for _ in self.messages))),
        (queue, "approximate_number_of_messages_not_visible", property(_count_hidden)),
        (queue, "add_message", _add_message),
        (queue, "delete_message", _delete_message),
        (backend, "get_queue_attributes", _under_queue_lock(_at_one_moment(backend.get_queue_attributes))),
        (backend, "receive_message", _under_queue_lock(_polling(backend.receive_message))),
        (backend, "send_message", _send_message),
        (backend, "send_message_batch", _send_message_batch),
        (models, "generate_receipt_handle", lambda: secrets.token_urlsafe(48)),
        # moto inspects the class for its operations on every request.
        (responses, "method_names_from_class", functools.cache(vars(responses)["method_names_from_class"])),
    ]
    locked = ("delete_message", "change_message_visibility", "purge_queue")
    corrections += [(backend, name, _under_queue_lock(getattr(backend, name))) for name in locked]
    for owner, name, correction in corrections:
        setattr(owner, name, correction)


# --- No call scans the whole queue ---


class _QueueAttributes(Mapping[str, Any]):
    """`Queue.attributes`, computed when it is read.

    moto counts every message of the queue each time it reads an attribute, and it reads several for each
    message. The two attributes that sending and receiving need are answered without counting.
    """

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def __getitem__(self, name: str) -> Any:
        if name == "MessageRetentionPeriod":
            return self._queue.message_retention_period
        if name == "ContentBasedDeduplication":
            if not self._queue.fifo_queue:
                raise KeyError(name)
            return str(bool(self._queue.content_based_deduplication)).lower()
        return _moto_attributes(self._queue)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_moto_attributes(self._queue))

    def __len__(self) -> int:
        return len(_moto_attributes(self._queue))

    def items(self) -> Any:
        return _moto_attributes(self._queue).items()


def _visible_messages(queue: Any) -> Iterator[Any]:
    """Lazy: who receives takes ten messages, and does not have to look at the thousands behind them."""
    now_ms = _now_ms(queue)
    return (message for message in queue._messages if message.visible_at < now_ms and message.delayed_until <= now_ms)


def _count_hidden(queue: Any) -> int:
    now_ms = _now_ms(queue)
    return sum(1 for message in queue._messages if message.visible_at >= now_ms)


def _now_ms(queue: Any) -> float:
    """The time, which stands still while a queue's attributes are read."""
    counted_at_ms: float | None = queue.__dict__.get("_counted_at_ms")
    return unix_time_millis() if counted_at_ms is None else counted_at_ms


def _at_one_moment(get_attributes: Callable[..., Mapping[str, Any]]) -> Callable[..., Mapping[str, Any]]:
    """Counts all messages of a queue at one moment. moto counts the visible ones and then the hidden ones, so that a
    message may be in both counts, or in neither."""

    @functools.wraps(get_attributes)
    def counted(self: Any, queue_name: str, names: list[str]) -> Mapping[str, Any]:
        queue = self.get_queue(queue_name)
        queue._counted_at_ms = unix_time_millis()
        try:
            return dict(get_attributes(self, queue_name, names).items())
        finally:
            queue._counted_at_ms = None

    return counted


def _delete_message(queue: Any, receipt_handle: str) -> None:
    if receipt_handle in queue.deleted_messages:
        return
    for index, message in enumerate(queue._messages):
        if message.had_receipt_handle(receipt_handle):
            queue.pending_messages.discard(message)
            queue.deleted_messages.update(message.all_receipt_handles)
            del queue._messages[index]
            if queue.fifo_queue:
                queue._messages_lock.notify_all()  # the next message of the group may be received now
            return
    raise ReceiptHandleIsInvalid()


def _polling(receive: Callable[..., Any]) -> Callable[..., Any]:
    """Receives until there are messages or the long poll ends, and waits in between for something to change.

    moto looks only once, at the start of a long poll, which groups of a FIFO queue are held back. Raises
    ClientGoneError when the client went away. It must not take messages with it: they would stay invisible for the
    whole visibility timeout, and a restarted worker would see an empty queue.
    """

    @functools.wraps(receive)
    def polling(self: Any, queue_name: str, count: int, wait_s: int, *args: Any, **kwargs: Any) -> Any:
        queue = self.get_queue(queue_name)
        ends_at = time.monotonic() + wait_s
        while True:
            messages = receive(self, queue_name, count, 0, *args, **kwargs)
            left_s = ends_at - time.monotonic()
            if messages or left_s <= 0:
                return messages
            queue._messages_lock.wait(min(left_s, LOOK_S))
            client_gone: Callable[[], bool] | None = getattr(current_request, "client_gone", None)
            if client_gone is not None and client_gone():
                raise ClientGoneError

    return polling


# --- Calls at the same time ---


def _under_queue_lock(method: Callable[..., Any]) -> Callable[..., Any]:
    """Runs a method of the backend under its queue's lock. A long poll releases the lock while it waits."""

    @functools.wraps(method)
    def locked(self: Any, queue_name: str, *args: Any, **kwargs: Any) -> Any:
        with self.get_queue(queue_name)._messages_lock:
            return method(self, queue_name, *args, **kwargs)

    return locked


def _add_message(queue: Any, message: Any) -> None:
    """Stores a message. `_send_message` has found the duplicates; nobody needs moto's Lambda triggers."""
    with queue._messages_lock:
        queue._messages.append(message)
        queue._messages_lock.notify_all()


# --- What SQS refuses ---


def _check_text(text: str, place: str) -> None:
    if match := INVALID_CHARACTER.search(text):
        raise SQSException(
            "InvalidMessageContents",
            f"Invalid binary character '#x{ord(match.group()):X}' was found in the {place}, the set of "
            "allowed characters is #x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] | [#x10000-#x10FFFF].",
        )


def _check_attributes(attributes: Mapping[str, Any]) -> None:
    if len(attributes) > MESSAGE_ATTRIBUTES_MAX:
        raise InvalidParameterValue(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{MESSAGE_ATTRIBUTES_MAX}]."
        )
    for name, attribute in attributes.items():
        models.Message.validate_attribute_name(name)
        if RESERVED_ATTRIBUTE_NAME.match(name):
            raise InvalidParameterValue(
                f"Message (user) attribute name '{name}' must not start with 'AWS.' or 'Amazon.'."
            )
        if not (attribute.get("StringValue") or attribute.get("BinaryValue")):
            raise InvalidParameterValue(
                f"Message (user) attribute '{name}' must contain a non-empty value of type '{attribute['DataType']}'."
            )
        _check_text(attribute.get("StringValue") or "", "message attribute value")


def _check_message(queue: Any, body: str, attributes: Mapping[str, Any], ids: Mapping[str, str | None]) -> None:
    if not body:
        raise MissingParameter("MessageBody")
    _check_text(body, "message body")
    _check_attributes(attributes)
    if _size_bytes(body, attributes) > queue.maximum_message_size:
        raise InvalidParameterValue(
            "One or more parameters are invalid. Reason: Message must be shorter than "
            f"{queue.maximum_message_size} bytes."
        )
    for name, value in ids.items():
        if value is not None and not FIFO_ID.fullmatch(value):
            raise InvalidParameterValue(
                f"Value {value} for parameter {name} is invalid. Reason: {name} can only include "
                "alphanumeric and punctuation characters. 1 to 128 in length."
            )
    if ids["MessageDeduplicationId"] is not None and not queue.fifo_queue:
        raise InvalidParameterValue(
            f"Value {ids['MessageDeduplicationId']} for parameter MessageDeduplicationId is invalid. Reason: "
            "The request includes a parameter that is not valid for this queue type."
        )


def _size_bytes(body: str, attributes: Mapping[str, Any]) -> int:
    """SQS counts the UTF-8 body and the names, types and values of the attributes."""
    size = len(body.encode("utf-8", "surrogatepass"))
    for name, attribute in attributes.items():
        text = f"{name}{attribute['DataType']}{attribute.get('StringValue') or ''}"
        size += len(text.encode("utf-8", "surrogatepass")) + len(attribute.get("BinaryValue") or b"")
    return size


# --- Sending ---


def _send_message(
    backend: Any,
    queue_name: str,
    message_body: str,
    message_attributes: dict[str, Any] | None = None,
    delay_seconds: int | None = None,
    deduplication_id: str | None = None,
    group_id: str | None = None,
    **system: Any,
) -> Any:
    queue = backend.get_queue(queue_name)
    attributes = message_attributes or {}
    ids = {"MessageGroupId": group_id, "MessageDeduplicationId": deduplication_id}
    _check_message(queue, message_body, attributes, ids)

    def send() -> Any:
        return _moto_send_message(
            backend, queue_name, message_body, attributes, delay_seconds, deduplication_id, group_id, **system
        )

    if not queue.fifo_queue:
        return send()
    # Raises when a required id is missing. It has to run here, because `send` never sees duplicates.
    backend._validate_message(queue, message_body, int(delay_seconds or 0), deduplication_id, group_id)
    key = (
        group_id if queue.deduplication_scope == "messageGroup" else None,
        deduplication_id or hashlib.sha256(message_body.encode()).hexdigest(),
    )
    with queue._messages_lock:
        return _first_of_duplicates(queue, key, message_body, attributes) or _remember(queue, key, send())


def _recent_sends(queue: Any) -> dict[Any, tuple[float, str, str]]:
    """Sends of the last five minutes by deduplication key: (time, message id, sequence number).

    A message that was received and deleted stays known, as in SQS.
    """
    recent: dict[Any, tuple[float, str, str]] = queue.__dict__.setdefault("_recent_sends", {})
    oldest_allowed = time.monotonic() - DEDUPLICATION_WINDOW_S
    for key in list(itertools.takewhile(lambda item: recent[item][0] < oldest_allowed, recent)):
        del recent[key]
    return recent


def _first_of_duplicates(queue: Any, key: Any, body: str, attributes: dict[str, Any]) -> Any | None:
    """The answer to a duplicate: SQS accepts it, stores nothing, and gives the id of the first message."""
    known = _recent_sends(queue).get(key)
    if known is None:
        return None
    answer = models.Message(known[1], body)
    answer.message_attributes = attributes
    answer.sequence_number = known[2]
    return answer


def _remember(queue: Any, key: Any, message: Any) -> Any:
    message.sequence_number = f"{next(_sequence_numbers):020d}"
    _recent_sends(queue)[key] = (time.monotonic(), message.id, message.sequence_number)
    return message


def _check_batch(entries: list[dict[str, Any]]) -> None:
    """Raises what SQS raises when it refuses a whole batch."""
    if len(entries) > BATCH_ENTRIES_MAX:
        raise TooManyEntriesInBatchRequest(len(entries))
    seen: set[str] = set()
    for entry in entries:
        if not BATCH_ENTRY_ID.fullmatch(entry["Id"]):
            raise InvalidBatchEntryId()
        if entry["Id"] in seen:
            raise BatchEntryIdsNotDistinct(entry["Id"])
        seen.add(entry["Id"])
    size = sum(_size_bytes(entry["MessageBody"], entry["MessageAttributes"]) for entry in entries)
    if size > BATCH_BYTES_MAX:
        raise BatchRequestTooLong(size)


def _send_message_batch(
    backend: Any, queue_name: str, entries: dict[str, dict[str, Any]]
) -> tuple[list[Any], list[dict[str, Any]]]:
    """Stores the good entries and names the bad ones in `Failed`, as SQS does."""
    queue = backend.get_queue(queue_name)
    batch = list(entries.values())
    _check_batch(batch)
    if queue.fifo_queue and not all(entry.get("MessageGroupId") for entry in batch):
        raise MissingParameter("MessageGroupId")
    messages: list[Any] = []
    failed: list[dict[str, Any]] = []
    for entry in batch:
        try:
            message = backend.send_message(
                queue_name,
                entry["MessageBody"],
                message_attributes=entry["MessageAttributes"],
                delay_seconds=entry["DelaySeconds"],
                deduplication_id=entry.get("MessageDeduplicationId"),
                group_id=entry.get("MessageGroupId"),
            )
        except SQSException as error:
            failed.append({"Id": entry["Id"], "SenderFault": True, "Code": error.code, "Message": error.message})
        else:
            message.user_id = entry["Id"]
            messages.append(message)
    return messages, failed
