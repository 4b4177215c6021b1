"""What a client remembers: of one connection, and over all of them."""

from dataclasses import dataclass, field
from typing import Any

from tests.simulation.arrivals import Arrival
from tests.simulation.checker import End
from tests.simulation.identities import EVERYTHING, Token
from tests.simulation.network import Link

Json = dict[str, Any]
RIGHTS = {"subscribe": "subscribe", "history": "subscribe", "publish": "publish"}


@dataclass(slots=True)
class Pending:
    """A command that has no answer yet. `holders` are the tokens that may count when the node carries it out."""

    kind: str
    project: str
    asked: Json
    before: End
    holders: tuple[Token, ...]
    token: Token | None = None
    """For an `authenticate`: the token that was sent."""
    is_foreign: bool = False
    """True if the token is another user's."""
    sent_at: float = 0.0
    """For an `authenticate`: when it was sent. A slow client reads the answer much later."""

    def fault_of(self, code: str | None) -> str | None:
        """Why an error with this code, or a success (None), is wrong for the rights of the client; None if it is
        right."""
        right = f"forward:{self.asked['agent']}" if self.kind == "forward" else RIGHTS.get(self.kind)
        if right is None:
            return None
        project = self.project or None
        if code is None and not any(holder.allows(right, project) for holder in self.holders):
            return f"{self.kind} of {project} was carried out, which its token does not allow"
        if code == "forbidden" and all(holder.allows(right, project) for holder in self.holders):
            return f"{self.kind} of {project} was forbidden, which its token allows"
        return None


@dataclass(slots=True)
class Work:
    """A publish or a forward that is repeated until it is confirmed."""

    kind: str
    command: Json
    uid: str
    is_repeated: bool = True
    is_conflict_wanted: bool = False


@dataclass(slots=True)
class Place:
    """What a client has of a project."""

    epoch: str
    offset: int


@dataclass(slots=True)
class Session:
    """One connection, as the client sees it."""

    link: Link
    arrival: Arrival
    is_open: bool = False
    """True once the handshake was accepted."""
    holder: Token | None = EVERYTHING
    """What the client may do, as far as the node has told it; None until it has authenticated."""
    holders: list[Token] = field(default_factory=lambda: [EVERYTHING])
    """The tokens that may count: those that the node has confirmed, and those on their way."""
    buffer: bytearray = field(default_factory=bytearray)
    followed: dict[str, Place] = field(default_factory=dict)
    asked: dict[str, Pending] = field(default_factory=dict)
    """The subscriptions of the URL, which have no id."""
    pending: dict[str, Pending] = field(default_factory=dict)
    is_ready: bool = False
    """True once it was greeted, and has authenticated if it had to."""
    is_closing: bool = False
    close_code: int = 1006
    after_s: float = 0.0
    """How many seconds the node asked it to stay away."""
