"""The queues on SQS as an operator sees them: counts from their attributes, and a move task for their dead letters."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from websocket_handler.adapters.aws.errors import AwsError
from websocket_handler.adapters.aws.sdk import AwsCall
from websocket_handler.ports.queues import MoveUnderWay, NoDeadLetters, QueueState, QueueUnreachable

_COUNTS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
_ATTRIBUTES: Final = [*_COUNTS, "RedrivePolicy"]
_ARN: Final = re.compile(r"arn:[^:]+:sqs:[^:]+:[^:]+:([A-Za-z0-9_-]{1,80}(?:\.fifo)?)")
_IS_MOVING: Final = re.compile("already a task running|active (message )?move(ment)? task", re.IGNORECASE)
"""How SQS says that a move task runs; the code of this error is the one of every operation that does not fit."""


class SqsQueues:
    """Looks at queues by name. `urls` has their URLs, `call` is `Aws.call`, and `timeout_s` bounds each call.

    The dead-letter queue is the one that the queue's `RedrivePolicy` names. It is in the same account and region, as
    SQS demands, so its URL is made from the URL of the queue.
    """

    def __init__(self, urls: Mapping[str, str], call: AwsCall, *, timeout_s: float = 5.0) -> None:
        self.names: Sequence[str] = tuple(urls)
        self._urls = dict(urls)
        self._call = call
        self._timeout_s = timeout_s

    async def look(self, name: str) -> QueueState:
        """See the port. Uses the right `sqs:GetQueueAttributes` on the queue and on its dead-letter queue."""
        found = await self._attributes(self._urls[name])
        waiting, in_flight, delayed = (int(found.get(attribute, 0)) for attribute in _COUNTS)
        arn = _dead_letters_of(found)
        if not arn:
            return QueueState(waiting, in_flight, delayed, dead_letters=None)
        try:
            dead = await self._attributes(self._beside(name, arn))
        except QueueUnreachable as fault:
            return QueueState(waiting, in_flight, delayed, dead_letters=None, fault=str(fault))
        return QueueState(waiting, in_flight, delayed, dead_letters=_waiting_in(dead))

    async def return_dead_letters(self, name: str) -> int:
        """See the port: one `StartMessageMoveTask`, without a destination, so that each message goes back to the queue
        from which it came, also if several queues share their dead-letter queue."""
        arn = _dead_letters_of(await self._attributes(self._urls[name]))
        if not arn:
            raise NoDeadLetters
        dead = await self._attributes(self._beside(name, arn))
        try:
            await self._call("sqs", "start_message_move_task", self._timeout_s, SourceArn=arn)
        except AwsError as error:
            if _IS_MOVING.search(error.message):
                raise MoveUnderWay from error
            raise QueueUnreachable(str(error)) from error
        return _waiting_in(dead)

    async def _attributes(self, url: str) -> Mapping[str, Any]:
        try:
            answer = await self._call(
                "sqs", "get_queue_attributes", self._timeout_s, QueueUrl=url, AttributeNames=_ATTRIBUTES
            )
        except AwsError as error:
            raise QueueUnreachable(str(error)) from error
        attributes: Mapping[str, Any] = answer.get("Attributes", {})
        return attributes

    def _beside(self, name: str, arn: str) -> str:
        """The URL of the dead-letter queue with this ARN. Raises QueueUnreachable unless it is one of a queue."""
        found = _ARN.fullmatch(arn)
        if found is None:
            raise QueueUnreachable("the RedrivePolicy names no queue")
        return f"{self._urls[name].rpartition('/')[0]}/{found[1]}"


def _dead_letters_of(attributes: Mapping[str, Any]) -> str:
    """The ARN of a queue's dead-letter queue; empty if it has none."""
    try:
        policy = msgspec.json.decode(attributes.get("RedrivePolicy") or "{}", type=dict[str, Any])
    except msgspec.DecodeError:
        return ""
    return str(policy.get("deadLetterTargetArn", ""))


def _waiting_in(dead: Mapping[str, Any]) -> int:
    return sum(int(dead.get(attribute, 0)) for attribute in _COUNTS)
