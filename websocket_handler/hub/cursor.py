"""A subscription is a cursor on a project's log."""

from enum import Enum, auto
from typing import Generic, TypeVar


class CursorState(Enum):
    """Where a cursor stands: STARTING, then BEHIND, READING and LEVEL in turns, then ENDED."""

    STARTING = auto()
    """Its place is being found: nothing was confirmed, nothing is sent."""
    LEVEL = auto()
    """At the head: publications go out as they are committed, and `offset` is not kept up to date."""
    BEHIND = auto()
    """`offset` was sent last; the rest waits in the log until the client can take it."""
    READING = auto()
    """Behind, and further back than the node retains: a page of the log store is on its way."""
    ENDED = auto()
    """Unsubscribed or disconnected: whatever still arrives for it is dropped."""


Owner = TypeVar("Owner")


class Cursor(Generic[Owner]):
    """One subscription: whose it is, and the last offset it was sent. `since` is wall-clock seconds."""

    __slots__ = ("offset", "owner", "since", "state")

    def __init__(self, owner: Owner, since: float) -> None:
        self.owner = owner
        self.since = since
        self.offset = 0
        self.state = CursorState.STARTING

    @property
    def is_live(self) -> bool:
        """True while it is somebody's subscription."""
        return self.state is not CursorState.ENDED
