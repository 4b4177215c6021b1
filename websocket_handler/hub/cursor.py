"""A subscription is a cursor on a project's log."""

from enum import Enum, auto
from typing import Generic, TypeVar


class CursorState(Enum):
    """The state of a cursor. It begins with STARTING; then BEHIND, READING and LEVEL take turns; ENDED is the last
    one."""

    STARTING = auto()
    """Nobody knows its start yet: nothing was confirmed, and nothing is sent."""
    LEVEL = auto()
    """At the head. Each publication is sent when it is committed, and `offset` is not kept up to date."""
    BEHIND = auto()
    """The entry at `offset` was sent last. The later ones wait in the log until the client can take them."""
    READING = auto()
    """Behind, and further back than the entries in memory: a page from the log store is on its way."""
    ENDED = auto()
    """The client unsubscribed or disconnected. An answer that still arrives for the cursor is dropped."""


Owner = TypeVar("Owner")


class Cursor(Generic[Owner]):
    """One subscription: its owner, and the offset that was sent to the owner last. It began at `since`, in wall-clock
    seconds. If it `folds`, its owner takes the deltas that it is behind by as one publication."""

    __slots__ = ("folds", "offset", "owner", "since", "state")

    def __init__(self, owner: Owner, since: float, *, folds: bool = False) -> None:
        self.owner = owner
        self.since = since
        self.folds = folds
        self.offset = 0
        self.state = CursorState.STARTING

    @property
    def is_live(self) -> bool:
        """True until the owner unsubscribes or disconnects."""
        return self.state is not CursorState.ENDED
