"""`AUTH_MODE=jwt`: every client has to show a token or a ticket. It may do what its token says, until the token
ends."""

from collections.abc import Callable, Sequence

from websocket_handler.access import rights
from websocket_handler.access.access import AccessOptions, Holder, Identified
from websocket_handler.access.credentials import Credential, Kind, bearer_token, handshake_credential
from websocket_handler.access.expiry import Expiry, end
from websocket_handler.access.revocations import Revocations
from websocket_handler.access.rights import unauthorized
from websocket_handler.access.tickets import Tickets
from websocket_handler.access.users import UserCount
from websocket_handler.ports.authenticator import Authenticated, Authenticator
from websocket_handler.ports.clock import Clock, Scheduler
from websocket_handler.protocol.codes import CloseCode, CommandError
from websocket_handler.protocol.identity import Identity
from websocket_handler.protocol.messages import AnyCommand


class TokenAccess:
    """Keeps the identities of one node that verifies tokens: see `Access`."""

    has_loopback_pages = False

    def __init__(
        self,
        authenticator: Authenticator,
        clock: Clock,
        scheduler: Scheduler,
        options: AccessOptions,
        new_ticket: Callable[[], str],
        revoked: Callable[[], None] = lambda: None,
    ) -> None:
        """`revoked` is called after every revocation, so that event streams check if their visitor may stay."""
        self._authenticator = authenticator
        self._clock = clock
        self._options = options
        self._new_ticket = new_ticket
        self._revoked = revoked
        self._tickets = Tickets()
        self._revocations = Revocations()
        self._users = UserCount(options.connections_per_user)
        self._expiry = Expiry(clock, scheduler, options.authentication_timeout_s)

    def failure(self) -> str | None:
        return self._authenticator.failure()

    # Who somebody is

    def authenticate(self, token: str, done: Authenticated) -> None:
        def verified(answer: Identity | CommandError) -> None:
            is_revoked = isinstance(answer, Identity) and self._is_revoked(answer)
            done(unauthorized("the token was revoked") if is_revoked else answer)

        self._authenticator.authenticate(token, verified)

    def _is_revoked(self, identity: Identity) -> bool:
        return self._revocations.is_revoked(identity, self._clock.wall())

    def identify(self, credentials: Sequence[Credential], done: Identified) -> None:
        if not credentials:
            done(None)
            return
        try:
            is_allowed = self._options.is_token_in_query_allowed
            credential = handshake_credential(credentials, is_token_in_query_allowed=is_allowed)
            identity = self._redeem(credential.text) if credential.kind is Kind.TICKET else None
        except CommandError as fault:
            done(fault)
            return
        if identity is None:
            self.authenticate(credential.text, done)
        else:
            done(identity)

    def identify_request(self, credentials: Sequence[Credential], done: Authenticated) -> None:
        try:
            token = bearer_token(credentials)
        except CommandError as fault:
            done(fault)
            return
        self.authenticate(token, done)

    def issue_ticket(self, identity: Identity) -> str:
        ticket = self._new_ticket()
        self._tickets.issue(ticket, identity, self._clock.monotonic())
        return ticket

    def _redeem(self, ticket: str) -> Identity:
        identity = self._tickets.redeem(ticket, self._clock.monotonic())
        if identity is None:
            raise unauthorized("the ticket is unknown, used or too old")
        if identity.expires_at is not None and identity.expires_at <= self._clock.wall():
            raise unauthorized("the token has expired")
        if self._is_revoked(identity):
            raise unauthorized("the token was revoked")
        return identity

    def revoke(self, user_id: str) -> int:
        self._revocations.revoke(user_id, self._clock.wall())
        connections = self._users.connections(user_id)
        for holder in connections:
            end(holder, CloseCode.DISCONNECTED, "disconnected by an operator")
        self._revoked()
        return len(connections)

    def note_revocation(self, user_id: str, at: float) -> None:
        self._revocations.revoke(user_id, at)
        for holder in self._users.connections(user_id):
            if holder.identity is not None and self._is_revoked(holder.identity):
                end(holder, CloseCode.DISCONNECTED, "disconnected by an operator")
        self._revoked()

    # What they may do, and for how long

    def check_command(self, identity: Identity | None, command: AnyCommand) -> None:
        rights.check_command(identity, command)

    def ends_at(self, identity: Identity) -> float | None:
        return self._expiry.ends_at(identity)

    def is_over(self, identity: Identity, ends_at: float | None) -> bool:
        return (ends_at is not None and self._clock.monotonic() >= ends_at) or self._is_revoked(identity)

    # How much one user may take

    def check_user(self, identity: Identity) -> None:
        self._users.check_room(identity.user_id)

    def take_place(self, identity: Identity) -> Callable[[], None]:
        return self._users.take_place(identity.user_id)

    # The life of a connection

    def begin(self, holder: Holder) -> None:
        if holder.identity is None:
            self._expiry.await_authentication(holder)
        else:
            self._hold(holder, holder.identity)

    def grant(self, holder: Holder, identity: Identity) -> None:
        if holder.identity is None:
            self._users.check_room(identity.user_id)
        self._expiry.stop(holder)
        holder.identity = identity
        self._hold(holder, identity)

    def _hold(self, holder: Holder, identity: Identity) -> None:
        self._users.enter(identity.user_id, holder)
        self._expiry.follow(holder, identity)

    def leave(self, holder: Holder) -> None:
        self._expiry.stop(holder)
        if holder.identity is not None:
            self._users.leave(holder.identity.user_id, holder)
