"""How the gateway answers the commands of clients: at once or later, with a reply or with an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec import UNSET, Struct

from websocket_handler.delivery.confirmations import Confirmations
from websocket_handler.delivery.connection import Connection
from websocket_handler.delivery.in_flight import NO_WEIGHT
from websocket_handler.delivery.node import Confirmed
from websocket_handler.protocol import replies
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.messages import AnyCommand, Position, Publish, Subscribe
from websocket_handler.telemetry.counters import Counters

Answer = TypeVar("Answer")
Push = Callable[[Connection, bytes], None]
"""Sends a reply to a client."""


class Answers:
    """Each node has one."""

    def __init__(self, counters: Counters, commands_max: int) -> None:
        """`commands_max` is how many commands of one connection may be in flight."""
        self._counters = counters
        self._commands_max = commands_max

    def refuse(self, connection: Connection, fault: CommandError) -> None:
        """Answer with an error; the connection stays."""
        self._counters.errors[fault.code.value] += 1
        connection.push(replies.error(fault))

    def refuse_command(self, connection: Connection, command: AnyCommand, fault: CommandError) -> None:
        """Answer a command with an error."""
        command_id = id_of(command)
        self.refuse(connection, fault.as_answer(command_id, command.action))

    def begin(self, connection: Connection, weight: int, start: Callable[[], None]) -> None:
        """Start a command that is answered later, through the function that `done` makes. Raises CommandError:
        `overloaded`, and the errors of `start`."""
        connection.in_flight.begin(weight, self._commands_max)
        try:
            start()
        except CommandError:
            connection.in_flight.end(weight)
            raise

    def done(
        self, connection: Connection, command: AnyCommand, weight: int, reply: Callable[[Answer], bytes], push: Push
    ) -> Callable[[Answer | CommandError], None]:
        """Make the function that takes the answer of a command in flight, once. `reply` makes the payload, and `push`
        sends it."""

        def answered(answer: Answer | CommandError) -> None:
            if isinstance(answer, CommandError):
                self.refuse_command(connection, command, answer)
            else:
                push(connection, reply(answer))
            connection.in_flight.end(weight)

        return answered


class PublishAnswer(Struct, frozen=True, eq=False, gc=False):
    """Takes the answer of one `publish`, once. There is one for every publication, and closures would cost more. It
    does not keep the command, so that the publisher's object goes before the next one comes."""

    answers: Answers
    confirmations: Confirmations
    connection: Connection
    project_id: str
    command_id: str | None
    weight: int

    def __call__(self, answer: Position | CommandError) -> None:
        """The publication has this position; or it was not published, for this reason."""
        connection = self.connection
        if isinstance(answer, CommandError):
            self.answers.refuse(connection, answer.as_answer(self.command_id, Publish.action))
        else:
            reply = replies.publish_confirmed(self.project_id, answer, self.command_id)
            self.confirmations.push(connection, reply)
        connection.in_flight.end(self.weight)


class SubscribeAnswer(Struct, frozen=True, eq=False):
    """Takes the answer of one `subscribe`, once. Every handshake needs one, and closures would cost more."""

    answers: Answers
    connection: Connection
    command: Subscribe

    def __call__(self, answer: Confirmed | CommandError) -> None:
        """The subscription starts here; or there is none, for this reason."""
        connection, command = self.connection, self.command
        if isinstance(answer, CommandError):
            self.answers.refuse_command(connection, command, answer)
        else:
            reply = replies.subscription_confirmed(
                command.project_id, answer.position, recovered=answer.recovered, command_id=id_of(command)
            )
            connection.push(reply)
            if answer.snapshot:
                connection.push(answer.snapshot)
        connection.in_flight.end(NO_WEIGHT)


def id_of(command: AnyCommand) -> str | None:
    """The `id` that the answer to a command repeats; None if the command has none."""
    return None if command.id is UNSET else command.id
