"""Everything the gateway says has the form of the schema."""

import json

import pytest

from tests.support.spec_files import is_valid
from websocket_handler.protocol import replies
from websocket_handler.protocol.codes import ERRORS, CloseCode, CommandError, ErrorCode
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.names import OFFSET_MAX, Agent
from websocket_handler.protocol.replies import Greeting

T = "2026-11-22T20:00:00.123Z"
HERE = Position("e7Kq2", 57)
PAYLOADS = [b'{"a":1.50,"project_id":"p","offset":57}']
PRESENT = [{"connection_id": "c", "connected_at": T}]


REPLIES = {
    "subscription_confirmed": lambda id_: replies.subscription_confirmed("p", HERE, recovered=True, command_id=id_),
    "unsubscription_confirmed": lambda id_: replies.unsubscription_confirmed("p", id_),
    "pong": lambda id_: replies.pong(T, id_),
    "forward_confirmed": lambda id_: replies.forward_confirmed("m", Agent.DEV, "receipt", id_),
    "publish_confirmed": lambda id_: replies.publish_confirmed("p", Position("e", OFFSET_MAX), id_),
    "history": lambda id_: replies.history("p", HERE, PAYLOADS, recovered=True, command_id=id_),
    "presence": lambda id_: replies.presence("p", PRESENT, 5000, id_),
}


@pytest.mark.parametrize("name", REPLIES)
@pytest.mark.parametrize("command_id", [None, "r1", 'é\u2028"\\', "x" * 64])
def test_replies_have_the_form_of_the_schema_and_repeat_the_id(name: str, command_id: str | None) -> None:
    text = REPLIES[name](command_id)
    message = json.loads(text)
    assert message["type"] == name
    assert message.get("id") == command_id
    assert is_valid("server-message.json", text)
    assert is_valid(f"server-message.json#/$defs/{name}", text)


def test_pushes_have_the_form_of_the_schema() -> None:
    greeting = Greeting("n", 25, 65536, 256, 100, 1000)
    for name, text in {
        "connected": replies.connected(greeting, "c", T),
        "subscription_reset": replies.subscription_reset("p", HERE),
        "reconnect": replies.reconnect("draining", 0),
    }.items():
        assert is_valid("server-message.json", text), name
        assert is_valid(f"server-message.json#/$defs/{name}", text), name


@pytest.mark.parametrize("recovered", [True, False])
def test_a_confirmation_says_the_same_with_an_id_and_without(recovered: bool) -> None:
    bare = json.loads(replies.subscription_confirmed("p.1:_-", HERE, recovered=recovered))
    named = json.loads(replies.subscription_confirmed("p.1:_-", HERE, recovered=recovered, command_id="r1"))
    assert named == {**bare, "id": "r1"}
    assert (bare["epoch"], bare["offset"], bare["recovered"]) == (HERE.epoch, HERE.offset, recovered)


def test_a_greeting_escapes_what_a_program_takes_for_an_id() -> None:
    greeting = Greeting('n"', 25, 65536, 256, 100, 1000)
    told = json.loads(replies.connected(greeting, 'c"\\', T))
    assert (told["connection_id"], told["node_id"], told["timestamp"]) == ('c"\\', 'n"', T)
    assert (told["protocol"], told["ping_interval_s"]) == (1, 25)
    assert set(told["limits"].values()) == {65536, 256, 100, 1000}


@pytest.mark.parametrize("code", ErrorCode)
def test_errors_have_the_form_of_the_schema(code: ErrorCode) -> None:
    bare = CommandError(code, "text")
    full = CommandError(code, "text", command_id="r1", action="ping", retry_after_ms=1500)
    assert is_valid("server-message.json#/$defs/error", replies.error(bare))
    assert is_valid("server-message.json#/$defs/error", replies.error(full))
    message = json.loads(replies.error(full))
    assert (message["id"], message["action"], message["retryable"]) == ("r1", "ping", ERRORS[code].retryable)
    assert message["retry_after_ms"] == 1500
    assert {"id", "action", "retry_after_ms"}.isdisjoint(json.loads(replies.error(bare)))
    assert full.status == ERRORS[code].status


def test_a_history_page_carries_the_publications_byte_for_byte() -> None:
    assert PAYLOADS[0] in replies.history("p", HERE, PAYLOADS, recovered=True)


def test_close_codes_say_whether_to_come_back() -> None:
    assert all(4000 <= code < 4500 for code in (CloseCode.SLOW_CLIENT, CloseCode.PONG_TIMEOUT))
    assert CloseCode.DISCONNECTED >= 4500
