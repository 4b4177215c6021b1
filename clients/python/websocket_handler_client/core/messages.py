"""Reads what the gateway sends, and tells publications, replies, pushes and broadcasts apart."""

import json
from enum import Enum
from typing import Any, Final

Message = dict[str, Any]


class Kind(Enum):
    """What a message is."""

    PUBLICATION = "publication"
    REPLY = "reply"
    PUSH = "push"
    BROADCAST = "broadcast"


REPLIES: Final = frozenset(
    {
        "subscription_confirmed",
        "unsubscription_confirmed",
        "forward_confirmed",
        "publish_confirmed",
        "pong",
        "history",
        "presence",
        "authenticated",
        "error",
    }
)
PUSHES: Final = frozenset({"connected", "subscription_reset", "reconnect", "token_expiring", "snapshot"})


_read_value = json.JSONDecoder().raw_decode
"""Reads a value without looking for white space around it, as `json.loads` does."""


def read(text: str | bytes) -> Message | None:
    """The message in a text, or None if the text is no JSON object. A client ignores such a text."""
    try:
        if isinstance(text, str) and text.startswith("{"):
            message, end = _read_value(text)
            if end != len(text):
                message = json.loads(text)
        else:
            message = json.loads(text)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def kind_of(message: Message) -> Kind:
    """What a message is. The order of the questions is the protocol's: a publication may have any `type`."""
    if "offset" in message and "epoch" not in message:
        return Kind.PUBLICATION
    type_ = message.get("type")
    if not isinstance(type_, str):
        return Kind.BROADCAST
    if type_ in REPLIES:
        return Kind.REPLY
    return Kind.PUSH if type_ in PUSHES else Kind.BROADCAST
