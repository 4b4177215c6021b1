"""Commands: every vector of the specification, the bounds, and what no vector can say."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.spec_files import is_valid, named, text_of, vectors
from websocket_handler.protocol import codec, json_text
from websocket_handler.protocol.codec import decode_command, read_position
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.json_text import JsonObject
from websocket_handler.protocol.messages import AnyCommand, Forward, Ping, Position, Publish
from websocket_handler.protocol.names import OFFSET_MAX, agent_named, is_project_id
from websocket_handler.protocol.publication import prepare
from websocket_handler.protocol.replies import error
from websocket_handler.protocol.session import Session, SessionLimits


def received(text: bytes, message_bytes: int = 65536) -> AnyCommand:
    """The command in `text`, and for a publish its message too: all that is checked before anything is done."""
    command = Session(SessionLimits(message_bytes=message_bytes), now=0.0).receive(text, now=0.0)
    if isinstance(command, Publish):
        prepare(command.message, command.project_id)
    return command


def fault_of(text: bytes) -> CommandError | None:
    """Why a text is refused, None when it is not."""
    try:
        received(text)
    except CommandError as fault:
        return fault
    return None


def fields_of(command: AnyCommand) -> dict[str, Any]:
    """A command in the words of `parsed` in the vectors."""
    fields: dict[str, Any] = {"action": command.action}
    for name in command.__struct_fields__:
        value = getattr(command, name)
        if value is msgspec.UNSET:
            continue
        if isinstance(value, msgspec.Raw):
            value = json.loads(bytes(value))
        if isinstance(value, JsonObject):
            value = json.loads(value.body)
        fields[name.rstrip("_")] = msgspec.to_builtins(value) if isinstance(value, Position) else value
    if isinstance(command, Forward):
        agent = agent_named(command.type)
        assert agent is not None
        fields["agent"] = agent.value
    return fields


@pytest.mark.parametrize("vector", vectors("commands-valid"), ids=named)
def test_a_valid_command_means_what_the_specification_says(vector: dict[str, Any]) -> None:
    fields = fields_of(received(vector["text"].encode()))
    assert {name: fields.get(name) for name in vector["parsed"]} == vector["parsed"]


@pytest.mark.parametrize("vector", vectors("commands-invalid"), ids=named)
def test_an_invalid_command_gets_the_error_of_the_specification(vector: dict[str, Any]) -> None:
    with pytest.raises(CommandError) as caught:
        received(text_of(vector), vector.get("limit_bytes", 65536))
    fault = caught.value
    assert fault.code.value == vector["code"]
    if fault.code not in (ErrorCode.RESERVED_FIELD, ErrorCode.PROJECT_MISMATCH) and not _is_of_publication(vector):
        assert fault.id == vector.get("id")
    assert is_valid("server-message.json#/$defs/error", error(fault))
    if fault.code in (ErrorCode.INVALID_JSON, ErrorCode.NOT_AN_OBJECT):
        assert "Invalid JSON" in fault.message
    if fault.code is ErrorCode.UNKNOWN_ACTION:
        assert "Unknown action" in fault.message
    assert len(error(fault)) < 1000, "an error never repeats what was sent at length"


def _is_of_publication(vector: dict[str, Any]) -> bool:
    """True if the fault is found when the publication is made: then the server, not the codec, adds the id."""
    try:
        decode_command(text_of(vector))
    except CommandError:
        return False
    return True


def test_one_hundred_and_twenty_eight_levels_are_always_accepted() -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        text = '{"action":"forward","type":"dev","data":' + opening * 127 + "1" + closing * 127 + "}"
        assert isinstance(decode_command(text.encode()), Forward)


@pytest.mark.parametrize("depth", [1000, 10_000, 200_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
@pytest.mark.parametrize(
    "prefix", ["", '{"action":"ping","x":', '{"action":"publish","project_id":"p","message":{"a":', '{"x":']
)
def test_deep_nesting_is_answered_and_never_ends_the_process(
    prefix: str, opening: str, closing: str, depth: int
) -> None:
    inner = opening * depth + "1" + closing * depth
    text = (prefix + inner + "}" * prefix.count("{")).encode()
    with pytest.raises(CommandError) as caught:
        decode_command(text)
    assert caught.value.code is ErrorCode.TOO_DEEP


def test_a_million_keys_are_answered() -> None:
    text = b'{"action":"ping",' + b",".join(b'"%d":0' % number for number in range(1_000_000)) + b"}"
    assert isinstance(decode_command(text), Ping)
    with pytest.raises(CommandError) as caught:
        decode_command(text[:-1] + b',"7":1}')
    assert caught.value.code is ErrorCode.DUPLICATE_KEY


def test_a_million_digits_are_answered_without_exact_arithmetic() -> None:
    with pytest.raises(CommandError) as caught:
        decode_command(b'{"action":"subscribe","project_id":"p","rewind":%b}' % (b"9" * 1_000_000))
    assert caught.value.code is ErrorCode.INVALID_FIELD
    assert isinstance(decode_command(b'{"action":"ping","x":%b}' % (b"9" * 1_000_000)), Ping)


@pytest.mark.parametrize(
    "text", [b"\xff", b'{"action":"ping","id":"\xff"}', b'{"action":"\xc3"}', b'{"\xed\xa0\x80":1}']
)
def test_invalid_utf8_is_answered_although_the_frame_decoder_stops_it_first(text: bytes) -> None:
    with pytest.raises(CommandError) as caught:
        decode_command(text)
    assert caught.value.code is ErrorCode.INVALID_JSON


def test_a_fault_without_a_rule_of_its_own_is_an_invalid_field(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the typed decoder ever refuse what the field checks accept, the answer is typed all the same."""
    monkeypatch.setattr(codec, "_decode", lambda _text: msgspec.json.decode(b'"x"', type=int))
    with pytest.raises(CommandError) as caught:
        decode_command(b'{"action":"ping","id":"a"}')
    assert (caught.value.code, caught.value.id, caught.value.action) == (ErrorCode.INVALID_FIELD, "a", "ping")


def test_an_action_is_shown_cut_and_without_lone_surrogates() -> None:
    with pytest.raises(CommandError) as caught:
        decode_command(b'{"action":"\\ud800' + b"x" * 500 + b'"}')
    assert len(caught.value.message) < 100
    caught.value.message.encode()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["action", "id", "project_id", "since", "rewind", "type", "data", "message_id", "message", "key", "after", "limit"]
)
LIKELY = st.sampled_from(
    ["subscribe", "forward", "publish", "history", "p", "..", "dev", {"epoch": "e", "offset": 1}, {}, 0, -1, 1.0, "x y"]
)


@given(st.dictionaries(FIELDS, LIKELY | JSON_VALUES, max_size=6))
def test_any_object_is_a_command_exactly_when_the_schema_says_so(fields: dict[str, Any]) -> None:
    """One definition of valid: the schema's. Only what a schema cannot see may differ."""
    text = json.dumps(fields).encode()
    is_command = is_valid("client-command.json", text)
    fault = fault_of(text)
    if fault is None:
        assert is_command
    else:
        assert not is_command or _is_beyond_the_schema(text, fault)
        assert is_valid("server-message.json#/$defs/error", error(fault))


def _is_beyond_the_schema(text: bytes, fault: CommandError) -> bool:
    """A schema counts 1.0 as an integer, compares no two fields, and knows no lone surrogates."""
    known = {ErrorCode.PROJECT_MISMATCH, ErrorCode.INVALID_FIELD, ErrorCode.INVALID_JSON}
    return fault.code in known and re.search(rb'\.0|e\+|\\ud[89a-f]|"project_id"', text) is not None


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_answered(text: bytes) -> None:
    fault = fault_of(text)
    assert fault is None or is_valid("server-message.json#/$defs/error", error(fault))


def test_positions_are_read_as_urls_carry_them() -> None:
    assert read_position("e7Kq_-2:57") == Position("e7Kq_-2", 57)
    assert read_position(f"e:{OFFSET_MAX}") == Position("e", OFFSET_MAX)
    assert read_position("e" * 64 + ":0") == Position("e" * 64, 0)


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "e", "e:", ":1", "e:-1", "e:+1", "e:1.0", "e:1 ", " e:1", "e:1\n", "e:٣", "é:1", "e:1:2", "e.f:1"),
        *(f"e:{OFFSET_MAX + 1}", "e:" + "9" * 17, "e" * 65 + ":1", "e:" + "9" * 100_000),
    ],
)
def test_what_is_no_position_is_an_invalid_field(text: str) -> None:
    with pytest.raises(CommandError) as caught:
        read_position(text)
    assert caught.value.code is ErrorCode.INVALID_FIELD


@pytest.mark.parametrize("text", ["a", "p" * 128, "...", ".a", "A-z0._:-"])
def test_project_ids(text: str) -> None:
    assert is_project_id(text)


@pytest.mark.parametrize("text", ["", ".", "..", "p" * 129, "a b", "a/b", "é", "a\n", ".\n", "a\0"])
def test_what_is_no_project_id(text: str) -> None:
    assert not is_project_id(text)


def test_constants_that_python_reads_and_json_does_not_know_are_refused() -> None:
    for constant in (b"NaN", b"Infinity", b"-Infinity"):
        with pytest.raises(CommandError) as caught:
            json_text.parse(constant)
        assert caught.value.code is ErrorCode.INVALID_JSON
