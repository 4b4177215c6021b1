"""What the rest of the gateway asks about identities. Two classes answer: `TokenAccess` (`AUTH_MODE=jwt`) and
`OpenAccess` (`AUTH_MODE=none`). Nothing outside this package needs to know which of the two it has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from websocket_handler.access.credentials import Credential
from websocket_handler.ports.authenticator import Authenticated
from websocket_handler.ports.clock import Timer
from websocket_handler.ports.transport import Transport
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.identity import Identity
from websocket_handler.protocol.messages import AnyCommand

Identified = Callable[[Identity | CommandError | None], None]
"""Called once with the identity, with the refusal, or with None when the client did not say who it is."""


class Holder(Protocol):
    """A connection as access sees it: it holds an identity."""

    identity: Identity | None
    """None until the client has authenticated."""
    timer: Timer | None
    """The next thing that happens to its authentication: the deadline, the notice or the end."""

    @property
    def is_open(self) -> bool:
        """False once the connection has ended."""
        ...

    @property
    def transport(self) -> Transport:
        """Closes the connection."""
        ...

    def push(self, payload: bytes) -> None:
        """Send one message."""
        ...


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """How patient and how strict a node is. 0 connections per user means no limit."""

    authentication_timeout_s: float = 10.0
    connections_per_user: int = 0
    is_token_in_query_allowed: bool = False


class Access(Protocol):
    """Keeps the identities of one node: one object per node, called from the event loop's thread, never waits."""

    has_loopback_pages: bool
    """True if web pages of the user's own machine may come in, whichever the operator has named."""

    def failure(self) -> str | None:
        """Why tokens cannot be verified at the moment, for `/ready`; None when they can."""
        ...

    # Who somebody is

    def authenticate(self, token: str, done: Authenticated) -> None:
        """Find out who holds a token. `done` is called as the port `Authenticator` says."""
        ...

    def identify(self, credentials: Sequence[Credential], done: Identified) -> None:
        """Find out who opens a handshake with these credentials. `done` is called before this returns unless a key
        has to be fetched first."""
        ...

    def identify_request(self, credentials: Sequence[Credential], done: Authenticated) -> None:
        """Find out who sends an HTTP request with these credentials; a request must have one bearer token."""
        ...

    def issue_ticket(self, identity: Identity) -> str:
        """A ticket with which one handshake gets this identity. Raises CommandError with `overloaded`."""
        ...

    def revoke(self, user_id: str) -> int:
        """Close all connections of a user and accept none of the tokens that were issued to them until now. Returns
        how many connections there were."""
        ...

    # What they may do, and for how long

    def check_command(self, identity: Identity | None, command: AnyCommand) -> None:
        """Raises CommandError unless this identity may send this command: `unauthorized`, `forbidden`."""
        ...

    def ends_at(self, identity: Identity) -> float | None:
        """The monotonic second at which an identity ends that was verified just now; None for never."""
        ...

    def is_over(self, identity: Identity, ends_at: float | None) -> bool:
        """True once an identity has ended or was revoked. `ends_at` is what the method `ends_at` gave."""
        ...

    # How much one user may take

    def check_user(self, identity: Identity) -> None:
        """Raises CommandError with `too_many_connections` unless this user may have one more connection."""
        ...

    def take_place(self, identity: Identity) -> Callable[[], None]:
        """Count an event stream, or a request that waits, like a connection of this user. Returns the function that
        gives the place back; call it once. Raises CommandError with `too_many_connections`."""
        ...

    # The life of a connection

    def begin(self, holder: Holder) -> None:
        """Start the timers of a new connection: its deadline to authenticate, or the end of its identity."""
        ...

    def grant(self, holder: Holder, identity: Identity) -> None:
        """Give a connection an identity, or a fresher one of the same user. Raises CommandError with
        `too_many_connections`."""
        ...

    def leave(self, holder: Holder) -> None:
        """Forget a connection that has ended."""
        ...
