"""The messages of the gateway. Each is the UTF-8 bytes of one JSON object."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.names import Agent

PROTOCOL_VERSION: Final = 1
_encode: Final = msgspec.json.Encoder().encode
CommandId = str | None


def _with_id(fields: dict[str, object], command_id: CommandId) -> bytes:
    if command_id is not None:
        fields["id"] = command_id
    return _encode(fields)


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a node tells every new connection about itself."""

    node_id: str
    ping_interval_s: float
    message_bytes: int
    subscriptions: int
    commands_per_second: int
    history_messages: int
    rest: bytes = field(init=False, repr=False, compare=False)
    """The end of every greeting of this node, without the brace that begins an object."""

    def __post_init__(self) -> None:
        fields = {
            "node_id": self.node_id,
            "protocol": PROTOCOL_VERSION,
            "ping_interval_s": self.ping_interval_s,
            "limits": {
                "message_bytes": self.message_bytes,
                "subscriptions": self.subscriptions,
                "commands_per_second": self.commands_per_second,
                "history_messages": self.history_messages,
            },
        }
        object.__setattr__(self, "rest", _encode(fields)[1:])


def connected(greeting: Greeting, connection_id: str, timestamp: str) -> bytes:
    """The first frame of a connection."""
    return b'{"type":"connected","message":"Connected to websocket_handler","timestamp":"%b","connection_id":%b,%b' % (
        timestamp.encode(),
        _encode(connection_id),
        greeting.rest,
    )


def subscription_confirmed(
    project_id: str, position: Position, *, recovered: bool, command_id: CommandId = None
) -> bytes:
    """Confirm a subscription that starts at `position`: the next publication has the offset after it."""
    if command_id is None:  # see `publish_confirmed`
        return (
            f'{{"type":"subscription_confirmed","project_id":"{project_id}","epoch":"{position.epoch}",'
            f'"offset":{position.offset},"recovered":{"true" if recovered else "false"}}}'
        ).encode()
    fields: dict[str, object] = {
        "type": "subscription_confirmed",
        "project_id": project_id,
        "epoch": position.epoch,
        "offset": position.offset,
        "recovered": recovered,
    }
    return _with_id(fields, command_id)


def subscription_reset(project_id: str, position: Position) -> bytes:
    """The subscription continues at another position: the publications in between are no longer retained."""
    fields: dict[str, object] = {
        "type": "subscription_reset",
        "project_id": project_id,
        "epoch": position.epoch,
        "offset": position.offset,
        "recovered": False,
    }
    return _encode(fields)


def snapshot(project_id: str, position: Position, fields: dict[str, Any]) -> bytes:
    """What the runs of a project have become up to `position`. `fields` is what clients are told of them."""
    head = {"type": "snapshot", "project_id": project_id, "epoch": position.epoch, "offset": position.offset}
    return _encode(head | fields)


def unsubscription_confirmed(project_id: str, command_id: CommandId = None) -> bytes:
    """The connection no longer follows the project."""
    return _with_id({"type": "unsubscription_confirmed", "project_id": project_id}, command_id)


def pong(timestamp: str, command_id: CommandId = None) -> bytes:
    """The answer to `ping`."""
    if command_id is None:
        return b'{"type":"pong","timestamp":"%b"}' % timestamp.encode()
    return _with_id({"type": "pong", "timestamp": timestamp}, command_id)


def forward_confirmed(message_id: str, agent: Agent, receipt: str, command_id: CommandId = None) -> bytes:
    """The agent's queue holds the message. `receipt` is the queue's own id for it."""
    fields: dict[str, object] = {
        "type": "forward_confirmed",
        "message_id": message_id,
        "agent": agent.value,
        "receipt": receipt,
    }
    return _with_id(fields, command_id)


def publish_confirmed(project_id: str, position: Position, command_id: CommandId = None) -> bytes:
    """The log store holds the publication at this position."""
    if command_id is None:  # a project id and an epoch have no character that JSON writes in another way
        return (
            f'{{"type":"publish_confirmed","project_id":"{project_id}",'
            f'"epoch":"{position.epoch}","offset":{position.offset}}}'
        ).encode()
    fields: dict[str, object] = {
        "type": "publish_confirmed",
        "project_id": project_id,
        "epoch": position.epoch,
        "offset": position.offset,
    }
    return _with_id(fields, command_id)


def history(
    project_id: str,
    end: Position,
    payloads: Sequence[bytes],
    *,
    recovered: bool,
    command_id: CommandId = None,
    snapshot: bytes = b"",
) -> bytes:
    """A page of a project's log, oldest first, as wire payloads. `end` is the position after the last of them;
    `recovered` is false when publications between the asked offset and the first one here are no longer retained.
    `snapshot` is the push that stands before the page, if it was asked for."""
    fields: dict[str, object] = {
        "type": "history",
        "project_id": project_id,
        "epoch": end.epoch,
        "messages": [msgspec.Raw(payload) for payload in payloads],
        "offset": end.offset,
        "recovered": recovered,
    }
    if snapshot:
        fields["snapshot"] = msgspec.Raw(snapshot)
    return _with_id(fields, command_id)


def presence(project_id: str, connections: Sequence[dict[str, str]], count: int, command_id: CommandId = None) -> bytes:
    """Who follows a project. `connections` may be cut; `count` is exact."""
    fields: dict[str, object] = {
        "type": "presence",
        "project_id": project_id,
        "connections": connections,
        "count": count,
    }
    return _with_id(fields, command_id)


def authenticated(user_id: str, expires_at: str | None, command_id: CommandId = None) -> bytes:
    """The token was verified. `user_id` is empty and `expires_at` None if nobody has to say who they are."""
    fields: dict[str, object] = {"type": "authenticated"}
    if user_id:
        fields["user_id"] = user_id
    if expires_at is not None:
        fields["expires_at"] = expires_at
    return _with_id(fields, command_id)


def token_expiring(expires_at: str) -> bytes:
    """The client has to bring a new token before this time."""
    return _encode({"type": "token_expiring", "expires_at": expires_at})


def reconnect(reason: str, after_ms: int) -> bytes:
    """The client has to leave, and come back in `after_ms` milliseconds."""
    return _encode({"type": "reconnect", "reason": reason, "after_ms": after_ms})


def error(fault: CommandError) -> bytes:
    """The answer to a command that could not be carried out."""
    fields: dict[str, object] = {
        "type": "error",
        "code": fault.code.value,
        "message": fault.message,
        "retryable": fault.retryable,
        **fault.details,
    }
    if fault.retry_after_ms is not None:
        fields["retry_after_ms"] = fault.retry_after_ms
    if fault.action is not None:
        fields["action"] = fault.action
    return _with_id(fields, fault.id)
