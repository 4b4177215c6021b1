"""What the rules know of each socket at a door, and of each door."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from tests.simulation.identities import Token

FOREVER: Final = float("inf")


class State(Enum):
    """How far a socket is, as its node sees it."""

    DIALING = auto()
    """Its request is not answered yet."""
    OPEN = auto()
    CLOSING = auto()
    """Refused, or the node has said goodbye."""
    ENDED = auto()


@dataclass(slots=True, eq=False)
class Arrival:
    """A socket at the door: what its client shows, and what the node has granted it."""

    who: str
    node: str
    address: str
    origin: str | None = None
    token: Token | None = None
    """What it shows in its request: a token, or a ticket of one."""
    ticket: str = ""
    wrong: str = ""
    """The code with which a request must be refused that nobody could accept."""
    is_complete: bool = True
    """False if it never sends a whole request."""
    asked_at: float = 0.0
    """When its request was sent."""
    state: State = State.DIALING
    holder: Token | None = None
    """Whose connection it is, and what they may do."""
    offered: Token | None = None
    """What the client has sent with `authenticate` and was not answered yet."""
    ends_at: float = FOREVER
    """From then on the connection may get nothing more: its token ended, or no token came."""
    is_told: bool = False
    """The node asked it to come back elsewhere."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens issued until `before` are worth nothing, those issued after `after` are (wall clock). `at` is when the
    node was known to have done it (monotonic)."""

    before: float = -FOREVER
    after: float = FOREVER
    at: float = FOREVER


@dataclass(slots=True)
class Door:
    """What is known of one node."""

    open: dict[Arrival, None] = field(default_factory=dict)
    certain: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Places that are surely taken: of addresses and of users."""
    possible: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests that may have taken a place, or not yet, or no longer."""
    accepted: list[float] = field(default_factory=list)
    """When those asked that came in."""
    draining_since: float = FOREVER
    short_since: float = FOREVER
    short_until: float = -FOREVER
    revoked: dict[str, "Revocation"] = field(default_factory=dict)
    """By user."""
    spent: dict[str, None] = field(default_factory=dict)
    """The tickets that opened a connection."""
    tickets: dict[str, tuple[Token, float]] = field(default_factory=dict)
    """The tickets that it gave, for which token, and when."""
