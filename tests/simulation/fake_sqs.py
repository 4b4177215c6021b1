"""SQS in memory: standard queues (at least once, any order) and FIFO queues (deduplication for five minutes)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

DEDUPLICATION_S = 300.0
RECEIVES_MAX = 40


@dataclass(slots=True)
class Message:
    """One message in a queue."""

    message_id: str
    body: str
    attributes: Mapping[str, Any]
    visible_at: float = 0.0
    receives: int = 0
    handles: list[str] = field(default_factory=list)


class FakeQueue:
    """One queue. Times are virtual seconds."""

    def __init__(self, name: str, random: Random, deleted: Callable[[Message], None]) -> None:
        self.name = name
        self.is_fifo = name.endswith(".fifo")
        self.visibility_s = 30
        self.duplicates = 0.0
        self.held: dict[str, Message] = {}
        """What is in the queue, hidden or not."""
        self.dead: list[Message] = []
        self.sent: dict[str, Message] = {}
        """Every message that was ever in it, by message id."""
        self._random = random
        self._deleted = deleted
        self._deduplications: dict[str, tuple[float, str]] = {}
        self._handles: dict[str, Message] = {}
        self._waiters: list[Callable[[], None]] = []

    def put(self, body: str, attributes: Mapping[str, Any], now: float, deduplication: str = "") -> str:
        """Put a message into the queue. Returns its id."""
        if deduplication:
            known = self._deduplications.get(deduplication)
            if known is not None and now - known[0] < DEDUPLICATION_S:
                return known[1]
        message = Message(f"{self.name}-m{len(self.sent)}", body, attributes, now)
        self.sent[message.message_id] = message
        self.held[message.message_id] = message
        if deduplication:
            self._deduplications[deduplication] = (now, message.message_id)
        waiters, self._waiters = self._waiters, []
        for wake in waiters:
            wake()
        return message.message_id

    def when_filled(self, wake: Callable[[], None]) -> None:
        """Call `wake` once, when the next message arrives."""
        self._waiters.append(wake)

    def send_batch(self, entries: Sequence[Mapping[str, Any]], now: float, partial: float) -> dict[str, Any]:
        """`SendMessageBatch`. `partial` is each entry's chance to fail."""
        assert 0 < len(entries) <= 10
        successful: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for entry in self._random.sample(entries, len(entries)):
            assert self.is_fifo == ("MessageDeduplicationId" in entry)
            if self._random.random() < partial:
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False, "Message": "no"})
                continue
            deduplication = entry.get("MessageDeduplicationId", "")
            message_id = self.put(entry["MessageBody"], entry["MessageAttributes"], now, deduplication)
            successful.append({"Id": entry["Id"], "MessageId": message_id})
        return {"Successful": successful, "Failed": failed}

    def receive(self, count: int, visibility_s: float, now: float) -> list[dict[str, Any]]:
        """`ReceiveMessage`: what is visible, in any order."""
        visible = [message for message in self.held.values() if message.visible_at <= now]
        taken = self._random.sample(visible, min(count, len(visible)))
        answers: list[dict[str, Any]] = []
        for message in taken:
            message.receives += 1
            if message.receives > RECEIVES_MAX:
                self.dead.append(self.held.pop(message.message_id))
                continue
            is_doubled = self._random.random() < self.duplicates
            message.visible_at = now if is_doubled else now + visibility_s
            handle = f"{message.message_id}/{message.receives}"
            message.handles.append(handle)
            self._handles[handle] = message
            answer = {"MessageId": message.message_id, "ReceiptHandle": handle, "Body": message.body}
            answers.append({**answer, "MessageAttributes": message.attributes})
        return answers

    def delete_batch(self, entries: Sequence[Mapping[str, Any]], partial: float) -> dict[str, Any]:
        """`DeleteMessageBatch`."""
        assert 0 < len(entries) <= 10
        assert len({entry["Id"] for entry in entries}) == len(entries)
        failed: list[dict[str, Any]] = []
        for entry in entries:
            message = self._handles[entry["ReceiptHandle"]]
            if self._random.random() < partial:
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
            elif self.held.pop(message.message_id, None) is not None:
                self._deleted(message)
        return {"Successful": [], "Failed": failed}

    def change_visibility_batch(
        self, entries: Sequence[Mapping[str, Any]], now: float, partial: float
    ) -> dict[str, Any]:
        """`ChangeMessageVisibilityBatch`."""
        assert 0 < len(entries) <= 10
        failed: list[dict[str, Any]] = []
        for entry in entries:
            message = self._handles[entry["ReceiptHandle"]]
            if self._random.random() < partial or message.visible_at <= now:
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
            else:
                message.visible_at = now + entry["VisibilityTimeout"]
        return {"Successful": [], "Failed": failed}
