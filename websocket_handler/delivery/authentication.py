"""What the command `authenticate` does: it lets in who has no identity yet, and renews the rights of who has one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from websocket_handler.access.access import Access
from websocket_handler.access.rights import unauthorized
from websocket_handler.delivery.answers import Answers, id_of
from websocket_handler.delivery.connection import Connection
from websocket_handler.delivery.in_flight import NO_WEIGHT
from websocket_handler.delivery.node import Node
from websocket_handler.ports.clock import Clock
from websocket_handler.protocol import replies
from websocket_handler.protocol.codes import CloseCode, CommandError, ErrorCode
from websocket_handler.protocol.identity import PUBLISH, Identity
from websocket_handler.protocol.messages import Authenticate, Subscribe

Begin = Callable[[Connection, Sequence[Subscribe]], None]
"""Subscribes a client to the projects that its URL names."""


class Authentication:
    """Each node has one. `begin` is called for a client that is let in."""

    def __init__(self, node: Node, access: Access, answers: Answers, clock: Clock, begin: Begin) -> None:
        self._node = node
        self._access = access
        self._answers = answers
        self._clock = clock
        self._begin = begin

    def authenticate(self, connection: Connection, command: Authenticate) -> None:
        """Verify a token. The answer may come later. Raises CommandError: `overloaded` while another token of the
        connection is being verified."""
        if connection.is_authenticating:
            raise CommandError(ErrorCode.OVERLOADED, "this connection is being authenticated already")
        connection.is_authenticating = True

        def done(answer: Identity | CommandError) -> None:
            self._authenticated(connection, command, answer)
            connection.in_flight.end(NO_WEIGHT)

        def verified(answer: Identity | CommandError) -> None:
            if isinstance(answer, CommandError) or connection.identity is not None:
                done(answer)
            else:
                self._access.count_user(answer, done)

        self._answers.begin(connection, NO_WEIGHT, lambda: self._access.authenticate(command.token, verified))

    def _authenticated(self, connection: Connection, command: Authenticate, answer: Identity | CommandError) -> None:
        """A token was verified, or refused. If it belongs to another user, the connection ends, with everything that
        the first token allowed."""
        connection.is_authenticating = False
        if not connection.is_open:
            return
        if isinstance(answer, CommandError):
            self._answers.refuse_command(connection, command, answer)
            return
        before = connection.identity
        if before is not None and before.user_id != answer.user_id:
            self._answers.refuse_command(connection, command, unauthorized("this connection is another user's"))
            connection.transport.close(CloseCode.IDENTITY_CHANGED, "a token of another user")
            return
        try:
            self._access.grant(connection, answer)
        except CommandError as fault:
            self._answers.refuse_command(connection, command, fault)
            return
        connection.session.may_publish = answer.may(PUBLISH)
        expires_at = None if answer.expires_at is None else self._clock.text(answer.expires_at)
        connection.push(replies.authenticated(answer.user_id, expires_at, id_of(command)))
        if before is None:
            self._welcome(connection)
        else:
            self._let_go(connection, answer)

    def _welcome(self, connection: Connection) -> None:
        """Give a connection that has just authenticated what others get at once after their handshake."""
        self._node.follow_broadcasts(connection)
        waiting, connection.waiting = connection.waiting, ()
        self._begin(connection, waiting)

    def _let_go(self, connection: Connection, identity: Identity) -> None:
        """End the subscriptions that a new token no longer permits."""
        for project_id in self._node.end_forbidden(connection, identity):
            connection.push(replies.unsubscription_confirmed(project_id))
