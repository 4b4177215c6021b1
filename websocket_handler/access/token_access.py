"""`AUTH_MODE=jwt`: every client has to show a token or a ticket. It may do what its token says, until the token
ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from websocket_handler.access import rights
from websocket_handler.access.access import AccessOptions, AskOthers, Holder, Identified, Shared, nobody_asks
from websocket_handler.access.credentials import Credential, Kind, bearer_token, handshake_credential
from websocket_handler.access.expiry import Expiry, end
from websocket_handler.access.revocations import Revocations
from websocket_handler.access.rights import unauthorized
from websocket_handler.access.tickets import TICKET_SECONDS, Tickets
from websocket_handler.access.users import UserCount
from websocket_handler.ports.authenticator import Authenticated, Authenticator
from websocket_handler.ports.clock import Clock, Scheduler
from websocket_handler.ports.ticket_store import TicketStore, TicketsUnavailable
from websocket_handler.protocol.codes import CloseCode, CommandError, ErrorCode
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
        shared_tickets: TicketStore | None = None,
        users: UserCount | None = None,
        ask_others: AskOthers | None = None,
    ) -> None:
        """`revoked` is called after every revocation, so that event streams check if their visitor may stay. Without
        `shared_tickets` a ticket is good on this node only. `users` is empty; without `ask_others` the connections of
        other nodes do not count."""
        self._authenticator = authenticator
        self._clock = clock
        self._options = options
        self._new_ticket = new_ticket
        self._revoked = revoked
        self._tickets = Tickets()
        self._shared_tickets = shared_tickets
        self._revocations = Revocations()
        self._users = users or UserCount(options.connections_per_user)
        self._ask_others = ask_others
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
        except CommandError as fault:
            done(fault)
            return
        identified = partial(self._identified, done)
        if credential.kind is Kind.TICKET:
            self._redeem(credential.text, identified)
        else:
            self.authenticate(credential.text, identified)

    def _identified(self, done: Identified, answer: Identity | CommandError) -> None:
        if isinstance(answer, CommandError):
            done(answer)
        else:
            self.count_user(answer, done)

    def identify_request(self, credentials: Sequence[Credential], done: Authenticated) -> None:
        try:
            token = bearer_token(credentials)
        except CommandError as fault:
            done(fault)
            return
        self.authenticate(token, done)

    def issue_ticket(self, identity: Identity, shared: Shared = nobody_asks) -> str:
        ticket = self._new_ticket()
        dropped = self._tickets.issue(ticket, identity, self._clock.monotonic())
        if self._shared_tickets is None:
            shared(None)
        else:
            answered = partial(_shared, shared)
            self._shared_tickets.put(ticket, identity, TICKET_SECONDS, answered, instead_of=dropped)
        return ticket

    def _redeem(self, ticket: str, done: Authenticated) -> None:
        """Find out whose ticket it is, and use it up. If tickets are shared, only their store knows if one was used."""
        own = self._tickets.redeem(ticket, self._clock.monotonic())
        if self._shared_tickets is None:
            done(self._checked(own))
        else:
            self._shared_tickets.take(ticket, lambda answer: done(self._checked(answer)))

    def _checked(self, answer: Identity | TicketsUnavailable | None) -> Identity | CommandError:
        """The identity that a ticket gives, or why it gives none."""
        if isinstance(answer, TicketsUnavailable):
            return _unavailable(answer)
        if answer is None:
            return unauthorized("the ticket is unknown, used or too old")
        if answer.expires_at is not None and answer.expires_at <= self._clock.wall():
            return unauthorized("the token has expired")
        if self._is_revoked(answer):
            return unauthorized("the token was revoked")
        return answer

    def revoke(self, user_id: str) -> int:
        self._revocations.revoke(user_id, self._clock.wall())
        connections = self._users.connections(user_id)
        for holder in connections:
            end(holder, CloseCode.DISCONNECTED, "disconnected by an operator")
        self._revoked()
        return len(connections)

    def revocations(self) -> Mapping[str, float]:
        return self._revocations.known(self._clock.wall())

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

    def count_user(self, identity: Identity, done: Authenticated) -> None:
        if self._ask_others is None:
            done(identity)
            return

        def asked() -> None:
            done(unauthorized("the token was revoked") if self._is_revoked(identity) else identity)

        self._ask_others(identity.user_id, asked)

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


def _shared(shared: Shared, fault: TicketsUnavailable | None) -> None:
    shared(None if fault is None else _unavailable(fault))


def _unavailable(fault: TicketsUnavailable) -> CommandError:
    return CommandError(ErrorCode.STORE_UNAVAILABLE, f"the tickets of all nodes cannot be asked: {fault.reason}")
