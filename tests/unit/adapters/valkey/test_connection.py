"""Which reply belongs to which call, with a transport that the test drives."""

import asyncio
from typing import Any

import hiredis
import pytest

from websocket_handler.adapters.valkey.connection import REPLY_BYTES_MAX, Connection, packed

pytestmark = pytest.mark.asyncio


class _Transport(asyncio.Transport):
    """Notes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.is_aborted = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True


class _Wire:
    """A connection, and what came out of it."""

    def __init__(self, reply_bytes_max: int = REPLY_BYTES_MAX) -> None:
        self.pushes: list[Any] = []
        self.lost: list[str] = []
        self.answers: list[Any] = []
        self.time = 100.0
        self.connection = Connection(lambda: self.time, self.pushes.append, self.lost.append, reply_bytes_max)
        self.transport = _Transport()
        self.connection.connection_made(self.transport)

    def send(self, commands: bytes, count: int = 1) -> None:
        self.connection.send(commands, count, self.answers.append)


async def test_calls_of_one_turn_leave_in_one_write_and_are_answered_in_order() -> None:
    wire = _Wire()
    wire.send(packed("GET", "a"))
    wire.send(packed("GET", "b") + packed("GET", "c"), 2)
    assert wire.transport.written == []
    await asyncio.sleep(0)
    assert len(wire.transport.written) == 1
    wire.connection.data_received(b"$1\r\n1\r\n$1\r\n2\r\n")
    assert wire.answers == [[b"1"]]
    wire.connection.data_received(b"$1\r")
    wire.connection.data_received(b"\n3\r\n")
    assert wire.answers == [[b"1"], [b"2", b"3"]]
    assert not wire.connection.is_awaited


async def test_what_the_server_pushes_is_no_reply() -> None:
    wire = _Wire()
    wire.send(packed("PING"))
    wire.connection.data_received(b">3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$1\r\nd\r\n+PONG\r\n")
    assert (wire.pushes, wire.answers) == ([[b"smessage", b"c", b"d"]], [[b"PONG"]])


@pytest.mark.parametrize(("reply", "value"), [(b"#f\r\n", False), (b"_\r\n", None), (b":0\r\n", 0), (b"*0\r\n", [])])
async def test_an_empty_reply_is_a_reply(reply: bytes, value: object) -> None:
    wire = _Wire()
    wire.send(packed("GET", "a"))
    wire.connection.data_received(reply)
    assert wire.answers == [[value]]


async def test_an_error_is_a_reply() -> None:
    wire = _Wire()
    wire.send(packed("GET"))
    wire.connection.data_received(b"-ERR wrong\r\n")
    assert isinstance(wire.answers[0][0], hiredis.ReplyError)


async def test_a_lost_connection_answers_nothing_and_says_so_once() -> None:
    wire = _Wire()
    wire.send(packed("GET", "a") + packed("GET", "b"), 2)
    wire.connection.data_received(b"$1\r\n1\r\n")
    wire.connection.connection_lost(None)
    assert (wire.answers, wire.lost) == ([], ["the server closed the connection"])


@pytest.mark.parametrize(
    ("data", "reason"), [(b"HTTP/1.1 400 Bad\r\n", "does not speak RESP"), (b"+OK\r\n", "what nobody asked")]
)
async def test_a_server_that_makes_no_sense_is_left(data: bytes, reason: str) -> None:
    wire = _Wire()
    wire.connection.data_received(data)
    wire.connection.connection_lost(None)
    assert wire.transport.is_aborted
    assert reason in wire.lost[0]


async def test_a_reply_may_have_as_many_bytes_as_allowed_and_not_one_more() -> None:
    wire, begin = _Wire(1000), b"$5000\r\n"
    wire.send(packed("GET", "a"))
    wire.connection.data_received(begin + bytes(1000 - len(begin)))
    assert not wire.transport.is_aborted
    wire.connection.data_received(b"x")
    assert wire.transport.is_aborted


async def test_silence_counts_from_when_something_is_waited_for() -> None:
    wire = _Wire()
    wire.time = 200.0
    wire.send(packed("PING"))
    wire.time = 201.0
    wire.send(packed("PING"))
    assert wire.connection.heard_at == 200.0
    wire.connection.data_received(b"+PONG\r\n")
    assert wire.connection.heard_at == 201.0


async def test_nothing_is_written_to_a_closing_transport() -> None:
    wire = _Wire()
    wire.send(packed("PING"))
    wire.connection.abort("the end")
    await asyncio.sleep(0)
    assert wire.transport.written == []
