"""`AUTH_MODE=none`: everybody may do everything, and nobody has to say who they are."""

from collections.abc import Callable, Mapping, Sequence

from websocket_handler.access.access import Holder, Identified, Shared, nobody_asks
from websocket_handler.access.credentials import Credential
from websocket_handler.ports.authenticator import Authenticated
from websocket_handler.protocol.identity import ANYONE, Identity
from websocket_handler.protocol.messages import AnyCommand


class OpenAccess:
    """Gives every client the identity ANYONE, and reads no credential: see `Access`."""

    has_loopback_pages = True

    def __init__(self, new_ticket: Callable[[], str]) -> None:
        """Clients may ask for tickets here too, so that the same client works with both modes."""
        self._new_ticket = new_ticket

    def failure(self) -> str | None:
        return None

    def authenticate(self, _token: str, done: Authenticated) -> None:
        done(ANYONE)

    def identify(self, _credentials: Sequence[Credential], done: Identified) -> None:
        done(ANYONE)

    def identify_request(self, _credentials: Sequence[Credential], done: Authenticated) -> None:
        done(ANYONE)

    def issue_ticket(self, _identity: Identity, shared: Shared = nobody_asks) -> str:
        shared(None)
        return self._new_ticket()

    def revoke(self, _user_id: str) -> int:
        return 0

    def revocations(self) -> Mapping[str, float]:
        return {}

    def note_revocation(self, _user_id: str, _at: float) -> None:
        """There are no tokens."""

    def check_command(self, _identity: Identity | None, _command: AnyCommand) -> None:
        """Nothing is forbidden."""

    def ends_at(self, _identity: Identity) -> float | None:
        return None

    def is_over(self, _identity: Identity, _ends_at: float | None) -> bool:
        return False

    def count_user(self, identity: Identity, done: Authenticated) -> None:
        done(identity)

    def check_user(self, _identity: Identity) -> None:
        """Users cannot be told apart, so nobody can have too many connections."""

    def take_place(self, _identity: Identity) -> Callable[[], None]:
        return lambda: None

    def begin(self, _holder: Holder) -> None:
        """There is no deadline."""

    def grant(self, holder: Holder, identity: Identity) -> None:
        holder.identity = identity

    def leave(self, _holder: Holder) -> None:
        """Nothing was kept."""
