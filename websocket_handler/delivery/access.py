"""Who may do what on this node: verified identities, how long they hold, and who is let go.

Expiry is counted on the monotonic clock from the moment a token was verified: a wall clock that jumps disconnects
nobody.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from websocket_handler.delivery.connection import Connection
from websocket_handler.hub.revocations import Revocations
from websocket_handler.hub.tickets import Tickets
from websocket_handler.ports.authenticator import Authenticated, Authenticator
from websocket_handler.ports.clock import Clock, Scheduler
from websocket_handler.protocol import replies
from websocket_handler.protocol.codes import CloseCode, CommandError, ErrorCode
from websocket_handler.protocol.identity import (
    ANYONE,
    FORWARD,
    PRESENCE,
    PUBLISH,
    SUBSCRIBE,
    Identity,
)
from websocket_handler.protocol.messages import (
    AnyCommand,
    Authenticate,
    Forward,
    History,
    Ping,
    Presence,
    Publish,
    Subscribe,
    Unsubscribe,
)
from websocket_handler.protocol.names import agent_named

EXPIRING_S: Final = 60.0
"""How long before its end a client hears of it."""
LIFE_MIN_S: Final = 1.0
"""What a token that the leeway let in still lives."""
TIMER_MAX_S: Final = 86_400.0


def unauthorized(reason: str = "a valid token is needed") -> CommandError:
    """The answer to somebody who did not say who they are."""
    return CommandError(ErrorCode.UNAUTHORIZED, reason)


def forbidden() -> CommandError:
    """The answer to somebody who may not: the same for what exists and what does not."""
    return CommandError(ErrorCode.FORBIDDEN, "not permitted")


def check(identity: Identity, right: str, project_id: str | None = None) -> None:
    """Raises CommandError with `forbidden`."""
    if not identity.may(right, project_id):
        raise forbidden()


def check_command(identity: Identity | None, command: AnyCommand) -> None:
    """Whether somebody may send a command. Raises CommandError: `unauthorized`, `forbidden`."""
    if identity is ANYONE or isinstance(command, Ping | Authenticate):
        return
    if identity is None:
        raise unauthorized("authenticate first")
    match command:
        case Subscribe() | History():
            check(identity, SUBSCRIBE, command.project_id)
        case Publish():
            check(identity, PUBLISH, command.project_id)
        case Presence():
            check(identity, PRESENCE, command.project_id)
        case Forward():
            agent = agent_named(command.type)
            assert agent is not None, "the codec refuses unknown agents"
            check(identity, FORWARD[agent], command.project_id if isinstance(command.project_id, str) else None)
        case Unsubscribe():
            return


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """How patient a node is. 0 connections per user means no limit."""

    authentication_timeout_s: float = 10.0
    connections_per_user: int = 0


class Access:
    """One per node."""

    def __init__(
        self,
        authenticator: Authenticator,
        clock: Clock,
        scheduler: Scheduler,
        options: AccessOptions,
        new_ticket: Callable[[], str],
    ) -> None:
        self.is_open = authenticator.is_open
        """Whether everybody may do everything."""
        self.revoked: Callable[[], None] = lambda: None
        """Told after a revocation, so that streams look up."""
        self._authenticator = authenticator
        self._clock = clock
        self._scheduler = scheduler
        self._options = options
        self._new_ticket = new_ticket
        self._tickets = Tickets()
        self._revocations = Revocations()
        self._users: dict[str, dict[Connection, None]] = {}
        self._places: Counter[str] = Counter()
        """What users take beside their connections: event streams, and requests that wait."""

    def failure(self) -> str | None:
        """Why tokens cannot be verified at the moment, for `/ready`."""
        return self._authenticator.failure()

    # Credentials

    def authenticate(self, token: str, done: Authenticated) -> None:
        """Verify a token: as the port says, and with what was revoked here."""

        def verified(answer: Identity | CommandError) -> None:
            done(unauthorized("the token was revoked") if self._is_revoked(answer) else answer)

        self._authenticator.authenticate(token, verified)

    def _is_revoked(self, answer: Identity | CommandError) -> bool:
        return isinstance(answer, Identity) and self._revocations.is_revoked(answer, self._clock.wall())

    def issue_ticket(self, identity: Identity) -> str:
        """A ticket that stands for this identity once. Raises CommandError with `overloaded`."""
        ticket = self._new_ticket()
        self._tickets.issue(ticket, identity, self._clock.monotonic())
        return ticket

    def redeem_ticket(self, ticket: str) -> Identity:
        """Whose ticket this is. Raises CommandError with `unauthorized`."""
        identity = self._tickets.redeem(ticket, self._clock.monotonic())
        if identity is None:
            raise unauthorized("the ticket is unknown, used or too old")
        if identity.expires_at is not None and identity.expires_at <= self._clock.wall():
            raise unauthorized("the token has expired")
        return identity

    # Connections

    def check_room(self, identity: Identity) -> None:
        """Whether this user may have one more connection. Raises CommandError with `too_many_connections`."""
        maximum = self._options.connections_per_user
        if identity is ANYONE or not maximum:
            return
        if maximum <= len(self._users.get(identity.user_id, ())) + self._places[identity.user_id]:
            raise CommandError(ErrorCode.TOO_MANY_CONNECTIONS, "this user has as many connections as one may have")

    def take_place(self, identity: Identity) -> Callable[[], None]:
        """Count something of a user's like a connection; what to call once, at its end. Raises CommandError with
        `too_many_connections`."""
        self.check_room(identity)
        user_id = identity.user_id
        self._places[user_id] += 1

        def leave() -> None:
            self._places[user_id] -= 1
            if not self._places[user_id]:
                del self._places[user_id]

        return leave

    def begin(self, connection: Connection) -> None:
        """Watch a new connection: for its authentication, or for its end."""
        if connection.identity is None:
            overdue = partial(self._end, connection, CloseCode.AUTHENTICATION_TIMEOUT, "authenticate in time")
            connection.timer = self._scheduler.call_later(self._options.authentication_timeout_s, overdue)
        else:
            self._hold(connection, connection.identity)

    def grant(self, connection: Connection, identity: Identity) -> None:
        """From here on the connection acts as `identity`. Raises CommandError with `too_many_connections`."""
        if connection.identity is None:
            self.check_room(identity)
        self._stop_timer(connection)
        connection.identity = identity
        self._hold(connection, identity)

    def _hold(self, connection: Connection, identity: Identity) -> None:
        if identity is ANYONE:
            return
        self._users.setdefault(identity.user_id, {})[connection] = None
        ends_at = self.ends_at(identity)
        if ends_at is not None:
            left_s = ends_at - self._clock.monotonic() - EXPIRING_S
            self._sleep(connection, max(0.0, left_s), partial(self._expiring, connection, identity, ends_at))

    def ends_at(self, identity: Identity) -> float | None:
        """When an identity that was verified just now ends, in monotonic seconds; None for never."""
        if identity.expires_at is None:
            return None
        return self._clock.monotonic() + max(LIFE_MIN_S, identity.expires_at - self._clock.wall())

    def is_over(self, identity: Identity, ends_at: float | None) -> bool:
        """Whether an identity ended, or was revoked."""
        return (ends_at is not None and self._clock.monotonic() >= ends_at) or self._is_revoked(identity)

    def _sleep(self, connection: Connection, seconds: float, then: Callable[[], None]) -> None:
        """Call later, however much later."""
        if seconds > TIMER_MAX_S:
            again = partial(self._sleep, connection, seconds - TIMER_MAX_S, then)
            connection.timer = self._scheduler.call_later(TIMER_MAX_S, again)
        else:
            connection.timer = self._scheduler.call_later(seconds, then)

    def _expiring(self, connection: Connection, identity: Identity, ends_at: float) -> None:
        expires_at = identity.expires_at or 0.0
        connection.push(replies.token_expiring(self._clock.text(expires_at)))
        expired = partial(self._end, connection, CloseCode.TOKEN_EXPIRED, "the token expired")
        connection.timer = self._scheduler.call_later(max(0.0, ends_at - self._clock.monotonic()), expired)

    def _end(self, connection: Connection, code: CloseCode, reason: str) -> None:
        if connection.is_open:
            connection.transport.close(code, reason)

    def leave(self, connection: Connection) -> None:
        """The connection ended."""
        self._stop_timer(connection)
        if connection.identity is None or connection.identity is ANYONE:
            return
        own = self._users.get(connection.identity.user_id, {})
        own.pop(connection, None)
        if not own:
            self._users.pop(connection.identity.user_id, None)

    def _stop_timer(self, connection: Connection) -> None:
        if connection.timer is not None:
            connection.timer.cancel()
            connection.timer = None

    def revoke(self, user_id: str) -> int:
        """End all connections of a user and take none of their tokens issued so far; how many there were."""
        self._tickets.revoke(user_id)
        self._revocations.revoke(user_id, self._clock.wall())
        connections = list(self._users.get(user_id, ()))
        for connection in connections:
            self._end(connection, CloseCode.DISCONNECTED, "disconnected by an operator")
        self.revoked()
        return len(connections)
