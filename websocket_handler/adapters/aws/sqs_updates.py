"""The updates queue on SQS: long polls in, batches of deletions and extensions out."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from websocket_handler.adapters.aws.errors import AwsError
from websocket_handler.adapters.aws.sdk import AwsCall
from websocket_handler.ports.update_source import HIDDEN_MAX_S, SourceUnavailable, SourceUnusable, Update
from websocket_handler.protocol.update import ATTRIBUTES

LONG_POLL_S: Final = 20
LONG_POLL_MARGIN_S: Final = 5.0
FIFO_SUFFIX: Final = ".fifo"
"""How the name of every FIFO queue ends, and of no other queue."""
VISIBILITY_DEFAULT_S: Final = 30
"""The default of SQS, for a queue whose attribute is 0 or must not be read."""


class SqsUpdateSource:
    """Reads one SQS queue. `call` is `Aws.call`; `timeout_s` bounds every call but the long poll, which takes
    `long_poll_s` (0 to 20 whole seconds) when the queue is empty.

    `hidden_s` is the default until the first `receive` has read the queue's attribute, and at most `HIDDEN_MAX_S`.
    Every receive asks for exactly this visibility, so it is true even where the attribute may not be read.
    """

    name = "sqs"
    batch_messages_max = 10

    def __init__(
        self, queue_url: str, call: AwsCall, *, long_poll_s: int = LONG_POLL_S, timeout_s: float = 5.0
    ) -> None:
        self.hidden_s: float = VISIBILITY_DEFAULT_S
        self.is_ordered = queue_url.endswith(FIFO_SUFFIX)
        self._queue_url = queue_url
        self._call = call
        self._long_poll_s = long_poll_s
        self._timeout_s = timeout_s
        self._is_visibility_known = False
        self._has_failed = False
        """True if the last request failed. Then the next one does not wait for messages, so that it is
        known at once that the queue answers again."""

    async def check(self) -> None:
        """See the port. Uses the right `sqs:GetQueueAttributes`; without it, the first `receive` tells."""
        try:
            if not self._is_visibility_known:
                await self._read_visibility()
        except AwsError as error:
            self._has_failed = True
            raise _unavailable(error) from error

    async def receive(self) -> Sequence[Update]:
        """At most 10 messages; none if the queue stayed empty. Raises SourceUnavailable."""
        try:
            if not self._is_visibility_known:
                await self._read_visibility()
            wait_s = 0 if self._has_failed else self._long_poll_s
            answer = await self._call(
                "sqs",
                "receive_message",
                wait_s + LONG_POLL_MARGIN_S,
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=self.batch_messages_max,
                WaitTimeSeconds=wait_s,
                VisibilityTimeout=int(self.hidden_s),
                MessageAttributeNames=list(ATTRIBUTES),
            )
        except AwsError as error:
            self._has_failed = True
            raise _unavailable(error) from error
        self._has_failed = False
        return [_update(message) for message in answer.get("Messages", ())]

    async def delete(self, handles: Sequence[str]) -> None:
        """See the port. A message that cannot be deleted comes again. Raises SourceUnavailable if the whole call
        fails."""
        await self._batch("delete_message_batch", [{"ReceiptHandle": handle} for handle in handles])

    async def extend(self, handles: Sequence[str]) -> None:
        """See the port. A message that cannot be hidden comes again early. Raises SourceUnavailable if the whole call
        fails."""
        seconds = int(self.hidden_s)
        await self._batch(
            "change_message_visibility_batch",
            [{"ReceiptHandle": handle, "VisibilityTimeout": seconds} for handle in handles],
        )

    async def _batch(self, operation: str, entries: Sequence[dict[str, Any]]) -> None:
        if not entries:
            return
        numbered = [{"Id": str(index), **entry} for index, entry in enumerate(entries)]
        try:
            await self._call("sqs", operation, self._timeout_s, QueueUrl=self._queue_url, Entries=numbered)
        except AwsError as error:
            raise _unavailable(error) from error

    async def _read_visibility(self) -> None:
        try:
            answer = await self._call(
                "sqs",
                "get_queue_attributes",
                self._timeout_s,
                QueueUrl=self._queue_url,
                AttributeNames=["VisibilityTimeout"],
            )
        except AwsError as error:
            if not error.is_of_one_right:
                raise
            answer = {}
        seconds = int(answer.get("Attributes", {}).get("VisibilityTimeout", 0))
        self.hidden_s = min(seconds or VISIBILITY_DEFAULT_S, HIDDEN_MAX_S)
        self._is_visibility_known = True


def _unavailable(error: AwsError) -> SourceUnavailable:
    return (SourceUnusable if error.fault.is_operators else SourceUnavailable)(str(error))


def _update(message: Mapping[str, Any]) -> Update:
    attributes = message.get("MessageAttributes", {})
    return Update(
        update_id=message["MessageId"],
        handle=message["ReceiptHandle"],
        # A lone surrogate becomes invalid UTF-8 here, which the reader of the body refuses as malformed.
        body=message["Body"].encode("utf-8", "surrogatepass"),
        attributes={name: _text(attributes[name]) for name in ATTRIBUTES if name in attributes},
    )


def _text(attribute: Mapping[str, Any]) -> str | None:
    """The value of an attribute of type String, which may have a label: `String.project`. None for any other type."""
    is_text = attribute.get("DataType", "String").partition(".")[0] == "String"
    return attribute.get("StringValue") if is_text else None
