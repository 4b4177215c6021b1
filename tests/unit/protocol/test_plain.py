"""What is called plain has to be what the full reading would have found."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websocket_handler.protocol import codec, json_text, plain
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.messages import Publish
from websocket_handler.protocol.publication import finish, prepare, read_object

NAMES = st.sampled_from(["a", "b", "", "type", "ä", "project_id", "offset", "sequence", "producer", 'quoted"', "c d"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=5)
STYLES = st.sampled_from([(",", ":"), (", ", ": "), (" ,", ":"), (",", ":\n")])


def written(pairs: list[tuple[str, Any]], style: tuple[str, str], *, ascii_only: bool = True) -> bytes:
    """An object with these fields, as a program with this style writes it. A name may stand twice."""
    comma, colon = style
    texts = [json.dumps(part, ensure_ascii=ascii_only, separators=style) for pair in pairs for part in pair]
    fields = [f"{name}{colon}{value}" for name, value in zip(texts[::2], texts[1::2], strict=True)]
    return ("{" + comma.join(fields) + "}").encode()


@given(PAIRS, STYLES, st.booleans())
def test_a_plain_object_has_every_name_once_and_none_with_a_meaning(
    pairs: list[tuple[str, Any]], style: tuple[str, str], ascii_only: bool
) -> None:
    body = written(pairs, style, ascii_only=ascii_only)
    found = plain.read_plain(body)
    if found is not None:
        fields = json_text.parse_object(body)  # raises if a name stands twice
        assert fields
        assert (plain.MEANINGFUL_NAMES - {"project_id"}).isdisjoint(fields)
        assert found.named_project == fields.get("project_id")


@pytest.mark.parametrize("style", [(",", ":"), (", ", ": ")])
def test_objects_as_programs_write_them_are_plain(style: tuple[str, str]) -> None:
    assert plain.plain_object(written([("type", "x"), ("n", 1.5), ("nested", {"a": [1, {"offset": "€ü"}]})], style))


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"a":1,"a":2}',
        b'{"a": 1,"a":23}',  # as long as {"a": 1, "b": 2} without its second name
        b'{"a":1, "b":2}',
        b'{"\\u0061":1}',
        b'{"\xc3\xa4":1}',
        b'{"offset":1}',
        b'{"published_at":1}',
    ],
)
def test_what_has_to_be_read_in_full_is_not_plain(body: bytes) -> None:
    assert plain.plain_object(body) is None


@given(PAIRS, PAIRS, STYLES, st.booleans(), st.sampled_from(["p", "..", "two words", "p" * 128]))
def test_a_command_means_the_same_whether_it_is_plain_or_read_in_full(
    pairs: list[tuple[str, Any]], others: list[tuple[str, Any]], style: tuple[str, str], ascii_only: bool, project: str
) -> None:
    body = json.loads(written(pairs, style)) if pairs else {}
    outer = [("action", "publish"), ("project_id", project), ("message", body), *others[:1]]
    text = written(outer, style, ascii_only=ascii_only)
    with pytest.MonkeyPatch.context() as patched:
        quick = _meaning(text)
        patched.setattr(codec, "_is_plain", lambda *_arguments: False)
        assert quick == _meaning(text)


OUTER = st.sampled_from(["action", "type", "data", "id", "project_id", "message_id", "after", "x"])


@given(
    st.sampled_from(["forward", "history", "subscribe", "presence"]),
    st.lists(st.tuples(OUTER, VALUES | st.sampled_from(["p", "dev"])), max_size=4),
    STYLES,
    st.booleans(),
)
def test_every_command_means_the_same_whether_it_is_plain_or_read_in_full(
    action: str, others: list[tuple[str, Any]], style: tuple[str, str], ascii_only: bool
) -> None:
    text = written([("action", action), ("project_id", "p"), ("type", "dev"), *others], style, ascii_only=ascii_only)
    with pytest.MonkeyPatch.context() as patched:
        quick = _outcome(text)
        patched.setattr(codec, "_has_each_key_once", lambda *_arguments: False)
        assert quick == _outcome(text)


NO_JSON = [
    b"", b"7", b"[]", b"{", b'{"a"}', b'{"a":}', b'{"a":1,}', b'{"a":1}x', b'{"a":01}', b'{"a":1.}', b'{"a":.5}',
    b'{"a":+1}', b'{"a":-}', b'{"a":1e}', b'{"a":NaN}', b'{"a":Infinity}', b'{"a":tru}', b'{"a":"\x01"}', b'{"a":"\t"}',
    b'{"a\x01":1}', b'{"a":"\\x"}', b'{"a":"\\u12"}', b'{"a":"\\ud800"}', b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}',
    b'{"a":[1,]}', b'{"a":[1 2]}', b'{"a":{"b":"\x00"}}', b"{'a':1}", b'{"a":1}{"b":2}', b'\xef\xbb\xbf{"a":1}',
]  # fmt: skip


@pytest.mark.parametrize("text", NO_JSON, ids=range(len(NO_JSON)))
def test_what_the_full_reading_refuses_is_not_plain(text: bytes) -> None:
    assert plain.read_plain(text) is None
    with pytest.raises(CommandError):
        read_object(text)


def test_a_plain_object_may_name_its_project() -> None:
    for style in ((",", ":"), (", ", ": ")):
        found = plain.read_plain(written([("project_id", "p:1"), ("n", 1)], style))
        assert found is not None
        assert found.named_project == "p:1"
    for name in ('"a b"', '"\\u0070"', "7", "null", '"' + "p" * 129 + '"', '".."'):
        assert plain.read_plain(b'{"project_id":%b,"n":1}' % name.encode()) is None


@pytest.mark.parametrize("field", [',"id":"7"', ',"key":"k"', ',"id":"7","key":"k"'])
def test_a_command_with_an_id_or_a_key_is_plain(field: str) -> None:
    command = codec.decode_command(f'{{"action":"publish","project_id":"p","message":{{"a":1}}{field}}}'.encode())
    assert isinstance(command, Publish)
    assert command.message.is_plain
    assert dict(command.message.pairs) == {"a": 1}


@pytest.mark.parametrize(
    "text",
    [
        b'{"action":"publish","project_id":"p","project_id":"q","message":{"a":1}}',
        b'{"action":"publish","project_id":"p","message":{"a":1,"a":2}}',
        b'{"action":"publish","project_id":"p","message":{"a":1},"message":{"a":1}}',
        b'{"action": "publish", "project_id": "p", "message": {"a": 1, "a": 1}}',
        b'{"action":"publish","action":"publish","project_id":"p","message":{"a":1}}',
    ],
)
def test_a_key_that_stands_twice_is_found_in_a_command(text: bytes) -> None:
    assert _meaning(text) == "duplicate_key"


def test_bytes_that_are_no_utf8_are_not_plain() -> None:
    assert plain.is_utf8("ü".encode())
    assert not plain.is_utf8(b'"\xff"')
    with pytest.raises(CommandError):
        codec.decode_command(b'{"action":"publish","project_id":"p","message":{"a":"\xff"}}')


def _meaning(text: bytes) -> object:
    """What the gateway makes of a command: the bytes on the wire, or the code of its answer."""
    try:
        command = codec.decode_command(text)
        assert isinstance(command, Publish)
        prepared = prepare(command.message, command.project_id)
        return command.project_id, prepared.key, finish(prepared, 7, 1), command.id
    except CommandError as fault:
        return fault.code.value


def _outcome(text: bytes) -> object:
    """The command that the gateway reads; or the code of its answer, and what the answer repeats."""
    try:
        return codec.decode_command(text)
    except CommandError as fault:
        return fault.code.value, fault.message, fault.id, fault.action
