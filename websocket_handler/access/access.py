"""What the rest of the gateway asks about identities. Two classes answer: `TokenAccess` (`AUTH_MODE=jwt`) and
`OpenAccess` (`AUTH_MODE=none`). Only the assembly knows which of the two a node has."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from websocket_handler.access.credentials import Credential
from websocket_handler.ports.authenticator import Authenticated
from websocket_handler.ports.clock import Timer
from websocket_handler.ports.transport import Transport
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.identity import Identity
from websocket_handler.protocol.messages import AnyCommand

Shared = Callable[[CommandError | None], None]
"""Called once: with None when every node knows a ticket, or with the reason why none but this one may."""
AskOthers = Callable[[str, Callable[[], None]], None]
"""Finds out how many connections a user has on the other nodes, and calls back when that is noted."""
Identified = Callable[[Identity | CommandError | None], None]
"""Called once with the identity, with the refusal, or with None when the client did not say who it is."""


def nobody_asks(_fault: CommandError | None) -> None:
    """For a ticket of which nobody has to know when the other nodes take it."""


class Holder(Protocol):
    """A connection as access sees it: it holds an identity."""

    identity: Identity | None
    """None until the client has authenticated."""
    timer: Timer | None
    """The timer of what happens next to its authentication: the deadline, the notice or the end."""

    @property
    def is_open(self) -> bool:
        """False once the connection has ended."""
        ...

    @property
    def transport(self) -> Transport:
        """The way to the client. Access closes the connection through it."""
        ...

    def push(self, payload: bytes) -> None:
        """Send one message."""
        ...


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """How long a client may take to authenticate, how many connections one user may have (0: no limit), and if a token
    may stand in a URL."""

    authentication_timeout_s: float = 10.0
    connections_per_user: int = 0
    is_token_in_query_allowed: bool = False


class Access(Protocol):
    """Keeps the identities of one node. Each node has one. It is called from the event loop's thread, and never
    waits."""

    has_loopback_pages: bool
    """True if web pages that the user's own machine serves may come in, even if the operator did not name them."""

    def failure(self) -> str | None:
        """Why tokens cannot be verified at the moment, for `/ready`; None if they can."""
        ...

    # Who somebody is

    def authenticate(self, token: str, done: Authenticated) -> None:
        """Find out who holds a token. `done` is called as the port `Authenticator` says."""
        ...

    def identify(self, credentials: Sequence[Credential], done: Identified) -> None:
        """Find out who opens a handshake with these credentials. `done` is called before this returns, unless a key has
        to be fetched first."""
        ...

    def identify_request(self, credentials: Sequence[Credential], done: Authenticated) -> None:
        """Find out who sends an HTTP request with these credentials; a request must have one bearer token."""
        ...

    def issue_ticket(self, identity: Identity, shared: Shared = nobody_asks) -> str:
        """Make a ticket that gives its identity to one handshake. `shared` is called as soon as it does so on every
        node. Raises CommandError with `overloaded`."""
        ...

    def revoke(self, user_id: str) -> int:
        """Close all connections of a user, and from now on refuse every token that was issued to them until now.
        Returns how many connections were closed."""
        ...

    def revocations(self) -> Mapping[str, float]:
        """Every user whose tokens are revoked, with the wall-clock second until which they were issued."""
        ...

    def note_revocation(self, user_id: str, at: float) -> None:
        """A node, this one or another, has revoked every token of a user that was issued until `at`, in wall-clock
        seconds. Close the connections that came in with such a token, and refuse it from now on."""
        ...

    # What they may do, and for how long

    def check_command(self, identity: Identity | None, command: AnyCommand) -> None:
        """Raises CommandError unless this identity may send this command: `unauthorized`, `forbidden`."""
        ...

    def ends_at(self, identity: Identity) -> float | None:
        """The monotonic second at which an identity that was verified just now ends; None if it never ends."""
        ...

    def is_over(self, identity: Identity, ends_at: float | None) -> bool:
        """True once an identity has ended or was revoked. `ends_at` is what the method `ends_at` returned."""
        ...

    # How much one user may take

    def count_user(self, identity: Identity, done: Authenticated) -> None:
        """Find out how many connections this user has on other nodes. Call it before the methods that refuse too many
        of them; `identify` has done so already. `done` gets the identity, or the refusal if it was revoked
        meanwhile."""
        ...

    def check_user(self, identity: Identity) -> None:
        """Raises CommandError with `too_many_connections` unless this user may have one more connection."""
        ...

    def take_place(self, identity: Identity) -> Callable[[], None]:
        """Count an event stream, or a request that waits, like a connection of this user. Returns the function that
        stops counting it; call it once. Raises CommandError with `too_many_connections`."""
        ...

    # The life of a connection

    def begin(self, holder: Holder) -> None:
        """Start the timer of a new connection: its deadline to authenticate, or the end of its identity."""
        ...

    def grant(self, holder: Holder, identity: Identity) -> None:
        """Give a connection an identity, or a fresher one of the same user. Raises CommandError with
        `too_many_connections`."""
        ...

    def leave(self, holder: Holder) -> None:
        """Forget a connection that has ended."""
        ...
