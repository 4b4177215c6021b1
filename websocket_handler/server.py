"""`WebSocketServer`: the gateway as a library, and what every command of a client does.

The rules live below (`protocol`, `hub`, `delivery`); this class joins them. The flow of one message:
transport -> `handle_client_message` -> `Session.receive` -> one method per command -> node or forwarding ->
`Connection.push` -> transport.
"""

from __future__ import annotations

if __name__ == "__main__":  # `python server.py`, as the service was always started, is `python -m websocket_handler`
    import runpy
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parent.parent)  # not this folder: its modules are the package's
    runpy.run_module("websocket_handler", run_name="__main__")  # ends the process

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

import msgspec

from websocket_handler.access.access import Access
from websocket_handler.delivery.answers import Answers, PublishAnswer, SubscribeAnswer, id_of
from websocket_handler.delivery.authentication import Authentication
from websocket_handler.delivery.census import Census
from websocket_handler.delivery.confirmations import Confirmations
from websocket_handler.delivery.connection import Connection
from websocket_handler.delivery.forwarding import Forwarding
from websocket_handler.delivery.in_flight import COMMAND_WEIGHT, HISTORY_WEIGHT, NO_WEIGHT, publication_weight
from websocket_handler.delivery.node import Node
from websocket_handler.delivery.own_log import forwarded, is_operator, published
from websocket_handler.logs.feed import PageLimits
from websocket_handler.logs.page import Page
from websocket_handler.logs.queue import Published
from websocket_handler.ports.clock import Clock
from websocket_handler.ports.directory import Present
from websocket_handler.ports.transport import Transport
from websocket_handler.protocol import replies
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.frames import PLAIN, Framing
from websocket_handler.protocol.identity import ADMIN, ANYONE, PUBLISH, Identity
from websocket_handler.protocol.messages import (
    AnyCommand,
    Authenticate,
    Forward,
    ForwardTask,
    History,
    Ping,
    Position,
    Presence,
    Publish,
    Subscribe,
    Unsubscribe,
)
from websocket_handler.protocol.names import Agent, agent_named
from websocket_handler.protocol.publication import read_object
from websocket_handler.protocol.replies import Greeting
from websocket_handler.protocol.session import Session, SessionLimits
from websocket_handler.telemetry.counters import Counters

Used = Callable[[str, Identity, Mapping[str, object]], None]
"""Told of what an operator did: the action, who did it, and to what."""
ANONYMOUS: Final = ""
"""The sender of a message id while nobody has to say who they are."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a node permits its clients, and what it tells them about itself."""

    greeting: Greeting
    session: SessionLimits


class WebSocketServer:
    """One node of the gateway. It builds nothing: `assembly.py` gives it its parts.

    Call all methods from the event loop's thread. None of them blocks.
    """

    def __init__(
        self,
        node: Node,
        forwarding: Forwarding,
        clock: Clock,
        options: ServerOptions,
        new_id: Callable[[], str],
        access: Access,
        counters: Counters,
        census: Census | None = None,
        used: Used = lambda _action, _identity, _target: None,
    ) -> None:
        """Without a `census` the node runs alone. `used` is told of the publications and forwards of operators."""
        self.node = node
        self.access = access
        self.forwarding = forwarding
        self.options = options
        self.is_draining = False
        self._clock = clock
        self._counters = counters
        self._new_id = new_id
        self._used = used
        self._census = census or Census(node, None, options.greeting.node_id, tuple)
        self._answers = Answers(counters, node.limits.commands_in_flight)
        self._authentication = Authentication(node, access, self._answers, clock, self.begin)
        self._confirmations = Confirmations(node.engine.scheduler, node.limits.write_bytes)

    # Connections

    def check_room(self, subscriptions: int) -> None:
        """Raises CommandError unless one more client may come in that follows this many projects at once: `draining`,
        `too_many_connections`, `too_many_subscriptions`."""
        if self.is_draining:
            raise _draining()
        self.node.check_room(subscriptions)

    def refuse_newcomers(self) -> None:
        """The node is going away: take no new client from now on."""
        self.is_draining = True

    def register_connection(
        self, transport: Transport, identity: Identity | None = ANYONE, framing: Framing = PLAIN
    ) -> Connection:
        """Take in a client and greet it. Without an identity it has to authenticate before anything else. `framing`
        makes frames of its messages, from the one after the greeting on.

        Raises CommandError: `too_many_connections`, or `draining` while the node goes away.
        """
        if self.is_draining:
            raise _draining()
        now = self._clock.monotonic()
        session = Session(self.options.session, now, may_publish=identity is not None and identity.may(PUBLISH))
        connection = Connection(self._new_id(), transport, session, now, self._clock.wall(), identity, framing)
        self.node.register(connection)
        greeting = replies.connected(self.options.greeting, connection.connection_id, self._clock.timestamp())
        connection.write(PLAIN.text(greeting))  # no other client gets the same greeting, so compressing it saves little
        self.access.begin(connection)
        return connection

    def unregister_connection(self, connection: Connection) -> None:
        """Remove a client and its subscriptions. Doing it twice changes nothing."""
        if connection.is_open:
            self._confirmations.send_now(connection)
            self.node.unregister(connection)
            self.access.leave(connection)

    def begin(self, connection: Connection, subscriptions: Sequence[Subscribe]) -> None:
        """Subscribe a client to the projects that its URL names, as soon as the client has authenticated."""
        if connection.identity is None:
            connection.waiting = subscriptions
            return
        for subscription in subscriptions:
            self._perform_safely(connection, subscription)

    def connection_handler(self, transport: Transport, subscriptions: Sequence[Subscribe] = ()) -> Connection:
        """Begin a client's life on this node: register and subscribe it.

        Then the owner of the transport calls `handle_client_message` for every message, and `unregister_connection` at
        the end.
        """
        connection = self.register_connection(transport)
        self.begin(connection, subscriptions)
        return connection

    def handle_client_message(self, connection: Connection, text: bytes) -> None:
        """Carry out one whole message (UTF-8). The answer is always a frame, never an exception."""
        connection.received += 1
        try:
            command = connection.session.receive(text, self._clock.monotonic())
        except CommandError as fault:
            self.refuse(connection, fault)
            return
        try:
            self._perform(connection, command)
        except CommandError as fault:
            self._answers.refuse_command(connection, command, fault)

    def _perform_safely(self, connection: Connection, command: AnyCommand) -> None:
        try:
            self._perform(connection, command)
        except CommandError as fault:
            self._answers.refuse_command(connection, command, fault)

    def refuse(self, connection: Connection, fault: CommandError) -> None:
        """Answer with an error; the connection stays."""
        self._answers.refuse(connection, fault)

    # Commands

    def _perform(self, connection: Connection, command: AnyCommand) -> None:
        self._counters.commands[command.action] += 1
        self.access.check_command(connection.identity, command)
        if isinstance(command, Publish):  # before all others: this is the hot path
            self._publish(connection, command)
            return
        match command:
            case Ping():
                connection.push(replies.pong(self._clock.timestamp(), id_of(command)))
            case Subscribe():
                self._subscribe(connection, command)
            case Unsubscribe():
                self._unsubscribe(connection, command)
            case Forward():
                self._forward(connection, command)
            case History():
                self._history(connection, command)
            case Presence():
                self._presence(connection, command)
            case Authenticate():
                self._authentication.authenticate(connection, command)
            case _:
                assert_never(command)

    def _subscribe(self, connection: Connection, command: Subscribe) -> None:
        connection.in_flight.begin(NO_WEIGHT, self.node.limits.commands_in_flight)
        try:
            self.node.subscribe(connection, command, SubscribeAnswer(self._answers, connection, command))
        except CommandError:
            connection.in_flight.end(NO_WEIGHT)
            raise

    def _unsubscribe(self, connection: Connection, command: Unsubscribe) -> None:
        def done() -> None:
            connection.push(replies.unsubscription_confirmed(command.project_id, id_of(command)))
            connection.in_flight.end(NO_WEIGHT)

        self._answers.begin(connection, NO_WEIGHT, lambda: self.node.unsubscribe(connection, command.project_id, done))

    def _forward(self, connection: Connection, command: Forward) -> None:
        agent = agent_named(command.type)
        assert agent is not None, "the codec refuses unknown agents"
        sender = connection.identity.user_id if connection.identity else ANONYMOUS
        task = ForwardTask(
            agent=agent,
            message_id=command.message_id if isinstance(command.message_id, str) else self._new_id(),
            data=bytes(command.data),
            timestamp=self._clock.timestamp(),
            connection_id=connection.connection_id,
            project_id=command.project_id if isinstance(command.project_id, str) else None,
            user_id=sender,
        )

        identity = connection.identity

        def reply(receipt: str) -> bytes:
            if identity is not None and is_operator(identity):
                self._used("forward", identity, forwarded(task))
            return replies.forward_confirmed(task.message_id, agent, receipt, id_of(command))

        done = self._answers.done(connection, command, COMMAND_WEIGHT, reply, self._confirmations.push)
        self._answers.begin(connection, COMMAND_WEIGHT, lambda: self.forwarding.forward(sender, task, done))

    def _publish(self, connection: Connection, command: Publish) -> None:
        node = self.node
        key = command.key if isinstance(command.key, str) else ""
        weight = publication_weight(len(command.message.body), node.limits.message_bytes)
        connection.in_flight.begin(weight, node.limits.commands_in_flight)
        try:
            prepared = node.prepare(command.message, command.project_id, key)
            answer = PublishAnswer(
                self._answers, self._confirmations, connection, command.project_id, id_of(command), weight
            )
            identity = connection.identity
            if identity is not None and identity.user_id and ADMIN in identity.rights:  # `is_operator`, without a call
                node.publish(prepared, self._noting(identity, command.project_id, answer))
            else:
                node.publish(prepared, answer)
        except CommandError:
            connection.in_flight.end(weight)
            raise

    def _noting(self, identity: Identity, project_id: str, answer: Published) -> Published:
        """The answer to a publication of an operator, who is told of before."""

        def noted(result: Position | CommandError) -> None:
            if not isinstance(result, CommandError):
                self._used("publish", identity, published(project_id, result))
            answer(result)

        return noted

    def _history(self, connection: Connection, command: History) -> None:
        limits = self.node.limits
        most = PageLimits(min(command.limit, limits.history_page_messages), limits.history_page_bytes)
        feed = self.node.feed(
            command.project_id,
            after=command.after,
            limits=most,
            folds=command.fold,
            is_wanted=lambda: connection.is_open,
        )

        def reply(page: Page) -> bytes:
            return replies.history(
                command.project_id, page.position, page.payloads, recovered=page.recovered, command_id=id_of(command)
            )

        done = self._answers.done(connection, command, HISTORY_WEIGHT, reply, Connection.push)

        def looked(answer: Page | CommandError) -> None:
            feed.close()
            done(answer)

        try:
            self._answers.begin(connection, HISTORY_WEIGHT, lambda: feed.look(looked))
        except CommandError:
            feed.close()
            raise

    def _presence(self, connection: Connection, command: Presence) -> None:
        def reply(present: Present) -> bytes:
            return self._presence_reply(command.project_id, present, id_of(command))

        done = self._answers.done(connection, command, NO_WEIGHT, reply, Connection.push)
        self._answers.begin(connection, NO_WEIGHT, lambda: self._census.presence(command.project_id, done))

    def presence(self, project_id: str, done: Callable[[bytes | CommandError], None]) -> None:
        """Find who follows a project. `done` is called with the reply to `presence`, for the HTTP API."""

        def found(answer: Present | CommandError) -> None:
            done(answer if isinstance(answer, CommandError) else self._presence_reply(project_id, answer))

        self._census.presence(project_id, found)

    def _presence_reply(self, project_id: str, present: Present, command_id: str | None = None) -> bytes:
        listed = [
            {"connection_id": connection_id, "connected_at": self._clock.text(connected_at)}
            for connection_id, connected_at in present.connections
        ]
        return replies.presence(project_id, listed, present.count, command_id)

    # For programs that embed the server

    def broadcast_message(self, message: Mapping[str, object]) -> int:
        """Send an object to every connection of this node. Returns how many there are. Raises CommandError."""
        return self.node.broadcast(self.node.prepare_broadcast(read_object(msgspec.json.encode(message))))

    def send_to_project(
        self,
        project_id: str,
        message: Mapping[str, object],
        *,
        key: str = "",
        done: Callable[[Position | CommandError], None] = lambda _answer: None,
    ) -> None:
        """Append an object to a project's log. Everyone who follows the project gets it.

        `done` is called with its position once the log store holds it, or with the reason why it does not. Raises
        CommandError if the object is refused at once.
        """
        self.node.publish(self.node.prepare(read_object(msgspec.json.encode(message)), project_id, key), done)

    def forward_to_sqs(
        self,
        agent_type: str,
        data: object,
        *,
        project_id: str | None = None,
        message_id: str | None = None,
        done: Callable[[str | CommandError], None] = lambda _answer: None,
    ) -> str:
        """Hand a task to an agent's queue. Returns its message id. `done` is called with the queue's receipt, or with
        the reason why there is none.

        Raises CommandError: `unknown_agent_type`, `overloaded`, or the error of what the queue would refuse.
        """
        agent: Agent | None = agent_named(agent_type)
        if agent is None:
            raise CommandError(ErrorCode.UNKNOWN_AGENT_TYPE, "type must name an agent: pm, dev, qa or ops")
        task = ForwardTask(
            agent=agent,
            message_id=message_id or self._new_id(),
            data=msgspec.json.encode(data),
            timestamp=self._clock.timestamp(),
            connection_id="",
            project_id=project_id,
        )
        self.forwarding.forward(ANONYMOUS, task, done)
        return task.message_id


def _draining() -> CommandError:
    return CommandError(ErrorCode.DRAINING, "this node is going away; connect again")
