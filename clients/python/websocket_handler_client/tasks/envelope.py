"""Reads a task from a queue message, in both forms in which a gateway writes it."""

import json
from dataclasses import dataclass
from typing import Any

from websocket_handler_client.tasks.queue import Received


class MalformedTaskError(Exception):
    """The message is no task. The queue's redrive policy says what becomes of it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a task says."""

    message_id: str
    project_id: str | None
    user_id: str | None
    data: Any


def read_task(received: Received) -> Facts:
    """Reads `FORWARD_BODY=envelope` and `FORWARD_BODY=data`. The second has its id in an attribute only. Raises
    MalformedTaskError if there is no id, or no JSON."""
    try:
        body = json.loads(received.body)
    except ValueError as fault:
        raise MalformedTaskError("the body is no JSON") from fault
    named = received.attributes.get("MessageId")
    if isinstance(body, dict) and "data" in body and body.get("message_id") == (named or body.get("message_id", "")):
        client = body.get("client")
        user_id = client.get("user_id") if isinstance(client, dict) else None
        return _checked(body.get("message_id"), body.get("project_id"), user_id, body["data"])
    project_id, user_id = received.attributes.get("ProjectId"), received.attributes.get("UserId")
    return _checked(named, project_id, user_id, body)


def _checked(message_id: Any, project_id: Any, user_id: Any, data: Any) -> Facts:
    if not isinstance(message_id, str) or not message_id:
        raise MalformedTaskError("the task has no id")
    if not isinstance(project_id, str | None):
        raise MalformedTaskError("project_id is no text")
    return Facts(message_id, project_id, user_id if isinstance(user_id, str) else None, data)
