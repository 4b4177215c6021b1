"""What the gateway confirmed."""

from dataclasses import dataclass
from typing import Any

from websocket_handler_client.core.position import Position


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A task that an agent's queue holds."""

    message_id: str
    """The task's name, the same for all tries."""
    agent: str
    receipt: str
    """The queue's own id of the task."""


@dataclass(frozen=True, slots=True)
class History:
    """A page of a project's log."""

    messages: list[dict[str, Any]]
    """Publications, oldest first."""
    position: Position
    """Behind the page: ask for what is `after` its offset next."""
    recovered: bool
    """False if publications between the asked offset and this page are no longer retained."""
