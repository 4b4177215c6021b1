"""What the rules know of each node's door, and of each socket there."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from tests.simulation.identities import Token

FOREVER: Final = float("inf")


class State(Enum):
    """How far the node has got with a socket."""

    DIALING = auto()
    """Its request is not answered yet."""
    OPEN = auto()
    CLOSING = auto()
    """The node has refused it or sent its close frame."""
    ENDED = auto()


@dataclass(slots=True, eq=False)
class Arrival:
    """A socket at the door: what its client shows, and what the node has granted it."""

    who: str
    node: str
    address: str
    origin: str | None = None
    token: Token | None = None
    """What it shows in its request: a token, or a ticket that stands for one."""
    ticket: str = ""
    wrong: str = ""
    """The error code that it has to get, if no node may accept its request; else empty."""
    is_complete: bool = True
    """False if it never sends a whole request."""
    asked_at: float = 0.0
    """When its request was sent."""
    state: State = State.DIALING
    holder: Token | None = None
    """The token that counts for its connection; None until there is one."""
    offered: Token | None = None
    """The token that the client sent with `authenticate`, until the node has answered."""
    ends_at: float = FOREVER
    """From this second on nothing more may be sent to it, because its token ended, or because no token came."""
    is_told: bool = False
    """True once the node has asked it to come back elsewhere."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens issued until `before` are refused, tokens issued after `after` are accepted (wall clock). `at` is the
    second when the node was known to have done it (monotonic)."""

    before: float = -FOREVER
    after: float = FOREVER
    at: float = FOREVER


@dataclass(slots=True)
class Door:
    """What is known of one node."""

    open: dict[Arrival, None] = field(default_factory=dict)
    certain: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Places that are certainly taken, by address and by user."""
    possible: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests that may hold a place, or do not hold it yet, or hold it no longer."""
    accepted: list[float] = field(default_factory=list)
    """When the clients that came in sent their requests."""
    draining_since: float = FOREVER
    short_since: float = FOREVER
    short_until: float = -FOREVER
    revoked: dict[str, "Revocation"] = field(default_factory=dict)
    """By user."""
    spent: dict[str, None] = field(default_factory=dict)
    """The tickets that opened a connection."""
    tickets: dict[str, tuple[Token, float]] = field(default_factory=dict)
    """The tickets that the node gave: for which token, and when."""
