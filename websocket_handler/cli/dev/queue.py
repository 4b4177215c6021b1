"""One queue in memory, with the rules of SQS: visibility, delay, FIFO groups, deduplication, dead letters.

It knows no clock and no HTTP: `now` is wall-clock seconds that never go back.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MESSAGES_MAX: Final = 100_000
"""So many messages one queue holds, and so many deduplication ids it remembers."""
BYTES_MAX: Final = 64 * 1024 * 1024
"""So many bytes the bodies and attributes of one queue have together."""
DEDUPLICATION_S: Final = 300.0


class SqsError(Exception):
    """An answer of SQS that is an error. `code` is what SDKs show, and `shape` its name in the protocol."""

    def __init__(self, shape: str, message: str, code: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.shape = shape
        self.code = code or shape
        self.message = message
        self.status = status


@dataclass(slots=True)
class Sent:
    """What a sender gives."""

    body: str
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    group: str | None = None
    deduplication: str | None = None
    delay_s: float | None = None
    trace_header: str | None = None
    size: int = 0


@dataclass(slots=True)
class Message:
    """A message in a queue."""

    sent: Sent
    message_id: str
    sequence: int
    sent_at: float
    visible_at: float
    receives: int = 0
    first_received_at: float = 0.0
    handle: str = ""
    """The receipt handle of the last receive; empty before the first one."""
    moved_from: str = ""
    """The ARN of the queue whose dead letter it is."""


@dataclass(slots=True)
class Receipt:
    """What a sender gets back."""

    message_id: str
    sequence: int


@dataclass(slots=True)
class QueueSettings:
    """The attributes of a queue that can be set."""

    visibility_s: int = 30
    delay_s: int = 0
    wait_s: int = 0
    retention_s: int = 345_600
    message_bytes_max: int = 1_048_576
    is_deduplicated_by_content: bool = False
    is_deduplicated_by_group: bool = False
    receives_max: int = 0
    """After so many receives a message goes to the dead letters; 0: never."""


class Queue:
    """One queue. `dead_letters` gives the queue that takes the messages which were received too often, if there is
    one."""

    def __init__(self, name: str, arn: str, settings: QueueSettings, created_at: float) -> None:
        self.name = name
        self.arn = arn
        self.settings = settings
        self.created_at = created_at
        self.dead_letters: Queue | None = None
        self.is_fifo = name.endswith(".fifo")
        self._nonce = secrets.token_urlsafe(9)
        self._messages: dict[int, Message] = {}
        """By their sequence number, which is the order of their arrival."""
        self._recent: OrderedDict[tuple[str | None, str], tuple[float, Receipt]] = OrderedDict()
        self._last = 0
        self._bytes = 0

    # Sending

    def send(self, sent: Sent, now: float) -> Receipt:
        """Store a message. Returns the first receipt for a duplicate in a FIFO queue, and stores nothing. Raises
        SqsError if the queue is full."""
        self._forget(now)
        key = self._key(sent)
        if key is not None and key in self._recent:
            return self._recent[key][1]
        if max(len(self._messages), len(self._recent)) >= MESSAGES_MAX or self._bytes + sent.size > BYTES_MAX:
            raise SqsError("ServiceUnavailable", f"{self.name} is full: this queue is in memory", status=503)
        delay_s = self.settings.delay_s if sent.delay_s is None or self.is_fifo else sent.delay_s
        message = Message(sent, new_id(), self._next(), now, now + delay_s)
        self._add(message)
        receipt = Receipt(message.message_id, message.sequence)
        if key is not None:
            self._recent[key] = now, receipt
        return receipt

    def send_again(self, message_id: str, now: float) -> None:
        """Give a message a second time, as a standard queue may do. Does nothing if it is gone."""
        for message in list(self._messages.values()):
            if message.message_id == message_id:
                self._add(Message(message.sent, message_id, self._next(), message.sent_at, now))
                return

    def _add(self, message: Message) -> None:
        self._messages[message.sequence] = message
        self._bytes += message.sent.size

    def _next(self) -> int:
        self._last += 1
        return self._last

    def _key(self, sent: Sent) -> tuple[str | None, str] | None:
        if not self.is_fifo:
            return None
        name = sent.deduplication
        if name is None:
            name = hashlib.sha256(sent.body.encode("utf-8", "surrogatepass")).hexdigest()
        return (sent.group if self.settings.is_deduplicated_by_group else None), name

    # Receiving

    def receive(self, count: int, visibility_s: float | None, now: float) -> list[Message]:
        """Take up to `count` messages, and hide them for `visibility_s`, or for the time that the queue is set to."""
        self._forget(now)
        hidden_s = self.settings.visibility_s if visibility_s is None else visibility_s
        taken: list[Message] = []
        dead: list[Message] = []
        for message in self._visible(now):
            if len(taken) == count:
                break
            (dead if self._is_dead(message) else taken).append(message)
        for message in dead:
            self._bury(message, now)
        for message in taken:
            message.receives += 1
            message.first_received_at = message.first_received_at or now
            message.visible_at = now + hidden_s
            message.handle = f"{self._nonce}.{message.sequence}.{secrets.token_urlsafe(18)}"
        return taken

    def next_visible_at(self, now: float) -> float | None:
        """When the next hidden message becomes visible; None if none is hidden."""
        return min(
            (message.visible_at for message in self._messages.values() if message.visible_at > now), default=None
        )

    def _visible(self, now: float) -> Iterator[Message]:
        """What may be received, oldest first. A group of a FIFO queue waits for what was taken of it."""
        waiting: set[str | None] = set()
        if self.is_fifo:
            waiting = {
                message.sent.group
                for message in self._messages.values()
                if message.visible_at > now and message.receives > 0
            }
        for message in self._messages.values():
            if self.is_fifo and message.sent.group in waiting:
                continue
            if message.visible_at <= now:
                yield message
            else:
                waiting.add(message.sent.group)

    def _is_dead(self, message: Message) -> bool:
        receives_max = self.settings.receives_max
        return self.dead_letters is not None and 0 < receives_max <= message.receives

    def _bury(self, message: Message, now: float) -> None:
        assert self.dead_letters is not None
        self._remove(message)
        message.sequence, message.handle, message.visible_at = self.dead_letters._next(), "", now
        message.moved_from = self.arn
        self.dead_letters._add(message)

    def give_back(self, sources: Mapping[str, Queue], now: float) -> None:
        """Move the visible dead letters of these queues, by their ARNs, back to them. They are new messages there."""
        for message in [one for one in self._messages.values() if one.visible_at <= now]:
            source = sources.get(message.moved_from)
            if source is not None:
                self._remove(message)
                source._add(Message(message.sent, new_id(), source._next(), now, now))

    # What was received

    def delete(self, handle: str) -> bool:
        """Delete a message by a receipt handle, also when it is gone already. Returns True if it was there. Raises
        SqsError if the handle is not of this queue."""
        message = self._messages.get(self._sequence_of(handle))
        if message is None or (self.is_fifo and message.handle != handle):
            return False
        self._remove(message)
        return True

    def hide(self, handle: str, visibility_s: float, now: float) -> None:
        """Let a message that was received become visible after `visibility_s`. Raises SqsError if the handle is not
        that of its last receive, or its time is over."""
        message = self._messages.get(self._sequence_of(handle))
        if message is None or message.handle != handle:
            raise SqsError(
                "InvalidParameterValue",
                f"Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not "
                "available for visibility timeout change.",
            )
        if message.visible_at <= now:
            raise SqsError(
                "MessageNotInflight",
                "The specified message isn't in flight.",
                "AWS.SimpleQueueService.MessageNotInflight",
            )
        message.visible_at = now + visibility_s

    def purge(self) -> None:
        """Delete all messages."""
        self._messages.clear()
        self._bytes = 0

    def counts(self, now: float) -> tuple[int, int, int]:
        """How many messages are visible, in flight, and delayed."""
        visible = in_flight = delayed = 0
        self._forget(now)
        for message in self._messages.values():
            if message.visible_at <= now:
                visible += 1
            elif message.receives:
                in_flight += 1
            else:
                delayed += 1
        return visible, in_flight, delayed

    def _sequence_of(self, handle: str) -> int:
        nonce, _, rest = handle.partition(".")
        sequence = rest.partition(".")[0]
        if nonce != self._nonce or not (sequence.isascii() and sequence.isdigit()):
            raise SqsError(
                "ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.'
            )
        return int(sequence)

    def _remove(self, message: Message) -> None:
        del self._messages[message.sequence]
        self._bytes -= message.sent.size

    def _forget(self, now: float) -> None:
        """Drop what is older than the queue keeps."""
        while self._messages:
            oldest = next(iter(self._messages.values()))
            if oldest.sent_at + self.settings.retention_s > now:
                break
            self._remove(oldest)
        while self._recent and next(iter(self._recent.values()))[0] + DEDUPLICATION_S <= now:
            self._recent.popitem(last=False)


def new_id() -> str:
    """The form of SQS's message ids."""
    text = secrets.token_hex(16)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
