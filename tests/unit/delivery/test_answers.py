"""How commands are answered: at once or later, with a reply or with an error, and how many may wait."""

from typing import Any

import pytest

from tests.support.doubles import client_of, connect
from websocket_handler.delivery.answers import Answers, id_of
from websocket_handler.delivery.connection import Connection
from websocket_handler.delivery.in_flight import COMMAND_WEIGHT
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Ping
from websocket_handler.telemetry.counters import Counters

FAULT = CommandError(ErrorCode.STORE_UNAVAILABLE, "down")


class Scene:
    """A client, and the node's answers to it."""

    def __init__(self, commands_max: int = 2) -> None:
        self.counters = Counters()
        self.answers = Answers(self.counters, commands_max)
        self.connection: Connection = connect()

    def begin(self, weight: int = COMMAND_WEIGHT) -> ErrorCode | None:
        """Begin a command; why it was refused."""
        try:
            self.answers.begin(self.connection, weight, lambda: None)
        except CommandError as fault:
            return fault.code
        return None

    @property
    def told(self) -> list[dict[str, Any]]:
        return client_of(self.connection).messages


def push(connection: Connection, reply: bytes) -> None:
    connection.push(reply)


def test_an_error_is_counted_and_the_connection_stays() -> None:
    scene = Scene()
    scene.answers.refuse(scene.connection, FAULT)
    (told,) = scene.told
    assert (told["type"], told["code"], told["retryable"]) == ("error", "store_unavailable", True)
    assert "id" not in told
    assert scene.counters.errors == {"store_unavailable": 1}
    assert scene.connection.is_open


def test_the_error_of_a_command_names_it_and_what_was_raised_is_left_as_it_was() -> None:
    scene = Scene()
    scene.answers.refuse_command(scene.connection, Ping(id="7"), FAULT)
    scene.answers.refuse_command(scene.connection, Ping(), FAULT)
    first, second = scene.told
    assert (first["id"], first["action"], first["message"]) == ("7", "ping", "down")
    assert "id" not in second
    assert (FAULT.id, FAULT.action) == (None, None), "others may have the same fault"


def test_a_command_that_waits_takes_a_place_and_one_beyond_the_maximum_is_refused() -> None:
    scene = Scene(commands_max=2)
    assert [scene.begin() for _ in range(3)] == [None, None, ErrorCode.OVERLOADED]
    done = scene.answers.done(scene.connection, Ping(id="7"), COMMAND_WEIGHT, lambda _answer: b'{"type":"pong"}', push)
    done("anything")
    assert scene.told == [{"type": "pong"}]
    assert [scene.begin(), scene.begin()] == [None, ErrorCode.OVERLOADED]


def test_a_command_that_cannot_begin_takes_no_place() -> None:
    scene = Scene(commands_max=1)

    def start() -> None:
        raise FAULT

    for _ in range(3):
        with pytest.raises(CommandError, match="down"):
            scene.answers.begin(scene.connection, COMMAND_WEIGHT, start)
    assert scene.connection.in_flight.is_empty
    assert scene.begin() is None


def test_a_command_that_is_refused_by_its_weight_is_not_started() -> None:
    scene, started = Scene(commands_max=1), list[str]()
    with pytest.raises(CommandError):
        scene.answers.begin(scene.connection, COMMAND_WEIGHT + 1, lambda: started.append("it"))
    assert started == []


def test_a_late_refusal_is_an_error_of_its_command_and_gives_the_place_back() -> None:
    scene = Scene(commands_max=1)
    scene.begin()
    replies: list[object] = []

    def reply(answer: object) -> bytes:
        replies.append(answer)
        return b"{}"

    scene.answers.done(scene.connection, Ping(id="7"), COMMAND_WEIGHT, reply, push)(FAULT)
    assert [(one["type"], one["id"]) for one in scene.told] == [("error", "7")]
    assert replies == [], "no reply was made"
    assert scene.connection.in_flight.is_empty


def test_an_answer_is_pushed_before_its_place_is_given_back() -> None:
    """Whoever waits for the last answer finds it on its way."""
    scene, order = Scene(), list[str]()
    scene.begin()
    scene.connection.in_flight.when_empty(lambda: order.append("empty"))
    done = scene.answers.done(
        scene.connection,
        Ping(),
        COMMAND_WEIGHT,
        lambda _answer: b"{}",
        lambda _connection, _reply: order.append("push"),
    )
    done("answer")
    assert order == ["push", "empty"]


def test_an_id_is_repeated_only_where_there_is_one() -> None:
    assert (id_of(Ping(id="7")), id_of(Ping())) == ("7", None)
