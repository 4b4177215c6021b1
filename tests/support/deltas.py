"""Deltas as agents publish them, and what readers make of them."""

from collections.abc import Sequence
from typing import Any

from tests.support.doubles import WALL
from tests.support.publications import wire
from websocket_handler.hub.log import Publication


def delta(piece: str, message: str = "m1") -> bytes:
    """The object of one delta. `piece` has no character that JSON escapes."""
    return b'{"type":"TEXT_MESSAGE_CONTENT","messageId":"%b","delta":"%b"}' % (message.encode(), piece.encode())


def delta_entries(pieces: Sequence[str], first: int = 1) -> list[Publication]:
    """Entries of a log that are the deltas of one text."""
    return [
        Publication(wire(delta(piece), offset), WALL, "", b"", offset) for offset, piece in enumerate(pieces, first)
    ]


def ranges(messages: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    """The offsets that each publication stands for."""
    return [(message.get("first_offset", message["offset"]), message["offset"]) for message in messages]


def text_of(messages: Sequence[dict[str, Any]]) -> str:
    """The text that they make together."""
    return "".join(message.get("delta", "") for message in messages)
