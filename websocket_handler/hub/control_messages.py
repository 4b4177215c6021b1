"""PURE: what nodes tell each other through the control log, and how it is spelled there: JSON with a `kind`.

A node may read what a newer gateway wrote. So it passes over a kind that it does not know, and over unknown fields.
"""

from typing import Final

import msgspec
from msgspec import Struct


class Disconnect(Struct, frozen=True, tag_field="kind", tag="disconnect"):
    """The node that has this connection is to close it for good."""

    connection_id: str


class Disconnected(Struct, frozen=True, tag_field="kind", tag="disconnected"):
    """The node that had this connection has closed it."""

    connection_id: str


class Revoke(Struct, frozen=True, tag_field="kind", tag="revoke"):
    """No node accepts a token of this user that was issued until `at`, in wall-clock seconds."""

    user_id: str
    at: float


class Drain(Struct, frozen=True, tag_field="kind", tag="drain"):
    """This node takes no new clients, and hands its clients over until `until`, in wall-clock seconds."""

    node_id: str
    until: float


class Serve(Struct, frozen=True, tag_field="kind", tag="serve"):
    """This node has started, and takes clients."""

    node_id: str


class Rebalance(Struct, frozen=True, tag_field="kind", tag="rebalance"):
    """A node that has more clients than its share is to move the surplus, spread over so many seconds."""

    seconds: float


class Leave(Struct, frozen=True, tag_field="kind", tag="leave"):
    """This node is to begin its drain: an operator asked for it."""

    node_id: str


ControlMessage = Disconnect | Disconnected | Revoke | Drain | Serve | Rebalance | Leave

encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(ControlMessage).decode


def decode(payload: bytes) -> ControlMessage | None:
    """The message; None if it is of a kind that this gateway does not know."""
    try:
        message: ControlMessage = _decode(payload)
    except msgspec.DecodeError:
        return None
    return message
