"""Adds to moto's SQS what it lacks: `StartMessageMoveTask`, which moves dead letters back to where they came from."""

from __future__ import annotations

import base64
from typing import Any
from uuid import uuid4

from moto.core.responses import ActionResult
from moto.core.utils import unix_time_millis
from moto.sqs import models
from moto.sqs.exceptions import InvalidParameterValue, SQSException
from moto.sqs.responses import SQSResponse


def install() -> None:
    """Adds the operation in this process. Call it once, before the first request."""
    setattr(SQSResponse, "start_message_move_task", _start_message_move_task)  # noqa: B010 - it has no such attribute


def _start_message_move_task(response: Any) -> ActionResult:
    arn = response._get_param("SourceArn") or ""
    backend = response.sqs_backend
    dead = backend.queues.get(arn.rpartition(":")[2])
    if dead is None or dead.queue_arn != arn:
        raise SQSException(
            "ResourceNotFoundException", "The resource that you specified for the SourceArn doesn't exist."
        )
    sources = backend.list_dead_letter_source_queues(dead.name)
    if not sources:
        raise InvalidParameterValue("Source queue must be configured as a Dead Letter Queue.")
    if len(sources) > 1:  # moto does not note from which of them a message came
        raise SQSException("UnsupportedOperation", "This emulator moves dead letters of one queue only.")
    _give_back(dead, sources[0])
    return ActionResult({"TaskHandle": base64.b64encode(arn.encode()).decode()})


def _give_back(dead: Any, source: Any) -> None:
    """Moves the visible messages. They are new ones in their queue."""
    with dead._messages_lock:
        moved = list(dead.messages)
        for message in moved:
            dead._messages.remove(message)
            dead.pending_messages.discard(message)
    for message in moved:
        source.add_message(_anew(message))


def _anew(message: Any) -> Any:
    """The same content as a new message."""
    again: Any = models.Message(str(uuid4()), message.body, message.system_attributes)
    again.message_attributes = message.message_attributes
    again.sent_timestamp = int(unix_time_millis())
    for name in ("deduplication_id", "group_id", "sequence_number", "sender_id"):
        setattr(again, name, getattr(message, name))
    return again
