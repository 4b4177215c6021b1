"""What `useChat` of the AI SDK posts, and what it gets."""

import json
from typing import Any, Final

from tests.support.http_api import Exchange

SEND: Final = "/ai/p?agent=dev"
RESUME: Final = "/ai/p/stream"
STOP: Final = "/ai/p/stop?agent=dev"


def said(message_id: str, text: str = "Hello") -> dict[str, Any]:
    """What the user said."""
    return {"id": message_id, "role": "user", "parts": [{"type": "text", "text": text}]}


def answered(message_id: str, *parts: dict[str, Any]) -> dict[str, Any]:
    """What an agent answered, as the client has it."""
    return {"id": message_id, "role": "assistant", "parts": list(parts)}


def chat(*messages: dict[str, Any], **more: Any) -> bytes:
    """What the client posts."""
    return json.dumps({"id": "p", "messages": list(messages), "trigger": "submit-message", **more}).encode()


def chunks(exchange: Exchange) -> list[tuple[str | None, Any]]:
    """The id and the chunk of each frame that has come."""
    found: list[tuple[str | None, Any]] = []
    for block in exchange.body.decode().split("\n\n")[:-1]:
        fields = dict(line.split(":", 1) for line in block.split("\n") if not line.startswith(":"))
        if "data" in fields:
            data, name = fields["data"].strip(), fields.get("id")
            found.append((name and name.strip(), data if data == "[DONE]" else json.loads(data)))
    return found


def kinds(exchange: Exchange) -> list[Any]:
    """The types of the chunks."""
    return [chunk if chunk == "[DONE]" else chunk["type"] for _, chunk in chunks(exchange)]


def text_of(exchange: Exchange) -> str:
    """The text that the client shows."""
    text = ""
    for _, chunk in chunks(exchange):
        if chunk != "[DONE]":
            text = "" if chunk["type"] == "reset-step" else text + chunk.get("delta", "")
    return text
