"""The API of SQS on queues in memory: the JSON protocol that AWS SDKs have spoken since the end of 2023.

`Sqs.call` takes the name of an operation and its input, and returns its output. It knows no HTTP.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from websocket_handler.cli.dev import checks
from websocket_handler.cli.dev.queue import Message, Queue, QueueSettings, Receipt, SqsError
from websocket_handler.cli.dev.queue_attributes import described, read

QUEUES_MAX: Final = 1000
ACCOUNT: Final = "000000000000"
Given = Mapping[str, Any]
Output = dict[str, Any]


class Sqs:
    """Queues by name. `url` is the address of the API, with which every queue's URL begins."""

    def __init__(self, url: str, region: str) -> None:
        self.queues: dict[str, Queue] = {}
        self.url = url
        self._region = region
        self._began = time.time() - time.monotonic()
        self.twice_until = 0.0
        """Up to this time every message of a standard queue is there twice, as SQS may do."""
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """The long polls of each queue, the one that began first in front."""
        self._operations: dict[str, Callable[[Given], Output]] = {
            "CreateQueue": self._create_queue,
            "DeleteQueue": self._delete_queue,
            "GetQueueUrl": lambda given: {"QueueUrl": self.url_of(self._named(given))},
            "GetQueueAttributes": self._get_attributes,
            "SetQueueAttributes": self._set_attributes,
            "ListQueues": self._list_queues,
            "ListDeadLetterSourceQueues": self._list_sources,
            "PurgeQueue": self._purge,
            "StartMessageMoveTask": self._start_move,
            "SendMessage": self._send,
            "SendMessageBatch": self._send_batch,
            "DeleteMessage": self._delete,
            "DeleteMessageBatch": lambda given: self._batch(given, self._delete),
            "ChangeMessageVisibility": self._hide,
            "ChangeMessageVisibilityBatch": lambda given: self._batch(given, self._hide),
        }

    async def call(self, operation: str, given: Given) -> Output:
        """Carry out an operation. Raises SqsError. If a long poll is cancelled, no message is lost."""
        if operation == "ReceiveMessage":
            return await self._receive(given)
        do = self._operations.get(operation)
        if do is None:
            raise SqsError("UnsupportedOperation", f"{operation} does not exist here.", "InvalidAction")
        return do(given)

    def url_of(self, name: str) -> str:
        """A queue's URL."""
        return f"{self.url}/{ACCOUNT}/{name}"

    def polls(self, url: str) -> int:
        """How many long polls wait at a queue."""
        return len(self._waiting.get(url.rpartition("/")[2], ()))

    def now(self) -> float:
        """Wall-clock seconds that never go back."""
        return self._began + time.monotonic()

    # Queues

    def _named(self, given: Given) -> str:
        name = checks.text(given, "QueueName")
        if name not in self.queues:
            raise _no_such_queue()
        return name

    def _queue(self, given: Given) -> Queue:
        """Whatever host its URL names: several addresses may lead here."""
        name = checks.text(given, "QueueUrl").rstrip("/").rpartition("/")[2]
        if name not in self.queues:
            raise _no_such_queue()
        return self.queues[name]

    def _create_queue(self, given: Given) -> Output:
        name = checks.text(given, "QueueName")
        checks.queue_name(name)
        attributes = dict(given.get("Attributes") or {})
        if name.endswith(".fifo") != (attributes.pop("FifoQueue", "false") == "true"):
            raise checks.invalid("The name of a FIFO queue ends with .fifo, and it has the attribute FifoQueue=true.")
        made = Queue(name, f"arn:aws:sqs:{self._region}:{ACCOUNT}:{name}", QueueSettings(), self.now())
        self._set(made, attributes)
        there = self.queues.get(name)
        if there is None:
            if len(self.queues) >= QUEUES_MAX:
                raise SqsError("OverLimit", f"There are {QUEUES_MAX} queues already.")
            self.queues[name] = made
        elif attributes and (there.settings, there.dead_letters) != (made.settings, made.dead_letters):
            raise SqsError(
                "QueueNameExists",
                "A queue already exists with the same name and a different value for an attribute.",
                "QueueAlreadyExists",
            )
        return {"QueueUrl": self.url_of(name)}

    def _delete_queue(self, given: Given) -> Output:
        queue = self._queue(given)
        del self.queues[queue.name]
        self._changed(queue)
        return {}

    def _set(self, queue: Queue, attributes: Mapping[str, str]) -> None:
        """Set attributes, all or none."""
        queue.settings, dead_letters = read(queue, attributes)
        if dead_letters == "":
            queue.dead_letters = None
        elif dead_letters is not None:
            found = self.queues.get(dead_letters.rpartition(":")[2])
            if found is None or found.is_fifo != queue.is_fifo:
                raise checks.invalid(
                    f"Value {attributes['RedrivePolicy']} for parameter RedrivePolicy is invalid. Reason: Dead letter "
                    "target does not exist, or is of another type."
                )
            queue.dead_letters = found

    def _set_attributes(self, given: Given) -> Output:
        self._set(self._queue(given), given.get("Attributes") or {})
        return {}

    def _get_attributes(self, given: Given) -> Output:
        queue = self._queue(given)
        return {"Attributes": described(queue, given.get("AttributeNames") or (), self.now())}

    def _list_queues(self, given: Given) -> Output:
        prefix = given.get("QueueNamePrefix") or ""
        most = checks.whole(given, "MaxResults", 1, QUEUES_MAX) or QUEUES_MAX
        after = given.get("NextToken") or ""
        names = [name for name in sorted(self.queues) if name.startswith(prefix) and name > after]
        more = {"NextToken": names[most - 1]} if len(names) > most else {}
        return {"QueueUrls": [self.url_of(name) for name in names[:most]], **more}

    def _list_sources(self, given: Given) -> Output:
        dead = self._queue(given)
        return {"queueUrls": [self.url_of(name) for name, queue in self.queues.items() if queue.dead_letters is dead]}

    def _purge(self, given: Given) -> Output:
        self._queue(given).purge()
        return {}

    def _start_move(self, given: Given) -> Output:
        """Move dead letters back at once, each to the queue from which it came."""
        arn = checks.text(given, "SourceArn")
        dead = self.queues.get(arn.rpartition(":")[2])
        if dead is None or dead.arn != arn:
            raise SqsError(
                "ResourceNotFoundException", "The resource that you specified for the SourceArn doesn't exist."
            )
        if given.get("DestinationArn"):
            raise SqsError("UnsupportedOperation", "Here dead letters go back to where they came from only.")
        sources = {queue.arn: queue for queue in self.queues.values() if queue.dead_letters is dead}
        if not sources:
            raise checks.invalid("Source queue must be configured as a Dead Letter Queue.")
        dead.give_back(sources, self.now())
        for queue in sources.values():
            self._changed(queue)
        return {"TaskHandle": base64.b64encode(arn.encode()).decode()}

    # Messages

    def _send(self, given: Given) -> Output:
        queue = self._queue(given)
        sent = checks.sent(queue, given)
        now = self.now()
        receipt = queue.send(sent, now)
        if now < self.twice_until and not queue.is_fifo:
            queue.send_again(receipt.message_id, now)
        self._changed(queue)
        return {**_digests(sent.body, sent.attributes), **_received_as(receipt, queue)}

    def _send_batch(self, given: Given) -> Output:
        queue, entries = self._queue(given), checks.batch(given.get("Entries"))
        checks.batch_size(entries)
        if queue.is_fifo and not all(entry.get("MessageGroupId") for entry in entries):
            raise checks.missing("MessageGroupId")
        return self._batch(given, self._send)

    def _batch(self, given: Given, do: Callable[[Given], Output]) -> Output:
        """Carry out each entry for itself."""
        self._queue(given)
        answer: Output = {"Successful": [], "Failed": []}
        for entry in checks.batch(given.get("Entries")):
            try:
                done = do({**entry, "QueueUrl": given["QueueUrl"]})
            except SqsError as error:
                failed = {"Code": error.code, "Message": error.message, "SenderFault": error.status < 500}
                answer["Failed"].append({"Id": entry["Id"], **failed})
            else:
                answer["Successful"].append({"Id": entry["Id"], **done})
        return {name: entries for name, entries in answer.items() if entries}

    def _delete(self, given: Given) -> Output:
        queue = self._queue(given)
        if queue.delete(checks.text(given, "ReceiptHandle")):
            self._changed(queue)  # the next message of a FIFO group may be received now
        return {}

    def _hide(self, given: Given) -> Output:
        queue = self._queue(given)
        seconds = checks.whole(given, "VisibilityTimeout", 0, 43_200)
        if seconds is None:
            raise checks.missing("VisibilityTimeout")
        queue.hide(checks.text(given, "ReceiptHandle"), seconds, self.now())
        self._changed(queue)
        return {}

    async def _receive(self, given: Given) -> Output:
        queue = self._queue(given)
        count = checks.whole(given, "MaxNumberOfMessages", 1, 10) or 1
        hidden_s = checks.whole(given, "VisibilityTimeout", 0, 43_200)
        wait_s = checks.whole(given, "WaitTimeSeconds", 0, 20)
        ends_at = self.now() + (queue.settings.wait_s if wait_s is None else wait_s)
        while True:
            messages = queue.receive(count, hidden_s, self.now())
            if messages or self.now() >= ends_at or self.queues.get(queue.name) is not queue:
                break
            await self._wait(queue, ends_at)
        return {"Messages": [_shown(message, queue, given) for message in messages]} if messages else {}

    async def _wait(self, queue: Queue, ends_at: float) -> None:
        """Return when something has changed in a queue, at the latest at `ends_at`."""
        now = self.now()
        next_at = queue.next_visible_at(now)
        until = ends_at if next_at is None else min(ends_at, next_at)
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(queue.name, deque())
        waiting.append(changed)
        try:
            async with asyncio.timeout(max(0.001, until - now)):
                await changed
        except TimeoutError:
            pass
        finally:
            if changed in waiting:
                waiting.remove(changed)

    def _changed(self, queue: Queue) -> None:
        """Let all long polls look again, in the order in which they began."""
        for changed in self._waiting.pop(queue.name, ()):
            if not changed.done():
                changed.set_result(None)


def _no_such_queue() -> SqsError:
    return SqsError(
        "QueueDoesNotExist", "The specified queue does not exist.", "AWS.SimpleQueueService.NonExistentQueue"
    )


def _received_as(receipt: Receipt, queue: Queue) -> Output:
    number = {"SequenceNumber": f"{receipt.sequence:020d}"} if queue.is_fifo else {}
    return {"MessageId": receipt.message_id, **number}


def _digests(body: str, attributes: Mapping[str, Mapping[str, Any]]) -> Output:
    more = {"MD5OfMessageAttributes": digest_of_attributes(attributes)} if attributes else {}
    return {"MD5OfMessageBody": _md5(body.encode("utf-8", "surrogatepass")), **more}


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def digest_of_attributes(attributes: Mapping[str, Mapping[str, Any]]) -> str:
    """The checksum that some SDKs compare: of all names, types and values in the order of the names, each with its
    length in front."""
    parts: list[bytes] = []
    for name in sorted(attributes):
        attribute = attributes[name]
        kind = str(attribute["DataType"])
        is_binary = kind.startswith("Binary")
        value = base64.b64decode(attribute["BinaryValue"]) if is_binary else str(attribute["StringValue"]).encode()
        for field in (name.encode(), kind.encode()):
            parts += [len(field).to_bytes(4), field]
        parts += [b"\x02" if is_binary else b"\x01", len(value).to_bytes(4), value]
    return _md5(b"".join(parts))


def _shown(message: Message, queue: Queue, given: Given) -> Output:
    """A message as a receiver asked for it."""
    sent = message.sent
    wanted = given.get("MessageAttributeNames") or ()
    attributes = {name: value for name, value in sent.attributes.items() if _is_wanted(name, wanted)}
    system = _system_attributes(message, queue)
    asked = {*(given.get("AttributeNames") or ()), *(given.get("MessageSystemAttributeNames") or ())}
    shown = {name: value for name, value in system.items() if "All" in asked or name in asked}
    answer: Output = {
        "MessageId": message.message_id,
        "ReceiptHandle": message.handle,
        "Body": sent.body,
        "MD5OfBody": _md5(sent.body.encode("utf-8", "surrogatepass")),
    }
    if shown:
        answer["Attributes"] = shown
    if attributes:
        answer["MessageAttributes"] = attributes
        answer["MD5OfMessageAttributes"] = digest_of_attributes(attributes)
    return answer


def _is_wanted(name: str, wanted: Any) -> bool:
    """`All`, `.*`, a name, or a prefix such as `Project.*`."""
    return any(
        each in ("All", ".*", name) or (each.endswith(".*") and name.startswith(each.removesuffix("*")))
        for each in wanted
    )


def _system_attributes(message: Message, queue: Queue) -> dict[str, str]:
    sent = message.sent
    found: dict[str, str | None] = {
        "SenderId": "local",
        "SentTimestamp": str(int(message.sent_at * 1000)),
        "ApproximateReceiveCount": str(message.receives),
        "ApproximateFirstReceiveTimestamp": str(int(message.first_received_at * 1000)),
        "MessageGroupId": sent.group,
        "MessageDeduplicationId": sent.deduplication if queue.is_fifo else None,
        "SequenceNumber": f"{message.sequence:020d}" if queue.is_fifo else None,
        "DeadLetterQueueSourceArn": message.moved_from or None,
        "AWSTraceHeader": sent.trace_header,
    }
    return {name: value for name, value in found.items() if value is not None}
