"""A publisher's bytes, with two fields spliced in."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.publications import (
    PUBLISHED_AT_MS,
    broadcast_payload,
    prepared,
    project_named_in,
    publication_head,
    wire,
)
from tests.support.spec_files import is_valid, named, vectors
from websocket_handler.protocol import publication
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.names import OFFSET_MAX
from websocket_handler.protocol.publication import (
    MESSAGE_TYPES,
    SPLICE_MAX_BYTES,
)


@pytest.mark.parametrize("vector", vectors("publications"), ids=named)
def test_a_publication_is_on_the_wire_as_the_specification_has_it(vector: dict[str, Any]) -> None:
    payload, project_id = vector["payload"].encode(), vector["project_id"]
    assert wire(payload, vector["offset"], project_id, vector["published_at"]).decode() == vector["wire"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=8), VALUES, max_size=4)


@given(OBJECTS, st.integers(1, OFFSET_MAX), st.sampled_from(["", " ", "\n\t\r "]), st.booleans())
def test_any_object_keeps_its_bytes_and_gains_three_fields(
    fields: dict[str, Any], offset: int, space: str, is_ascii: bool
) -> None:
    for name in ("offset", "epoch", "project_id", "published_at"):
        fields.pop(name, None)
    body = json.dumps(fields, ensure_ascii=is_ascii)
    payload = (space + body + space).encode("utf-8", "replace")
    sent = wire(payload, offset)
    added = {"project_id": "p", "offset": offset, "published_at": PUBLISHED_AT_MS}
    assert json.loads(sent) == {**json.loads(payload), **added}
    assert sent.startswith(payload.strip()[:-1])
    assert len(sent) <= len(payload) + SPLICE_MAX_BYTES


@given(VALUES, st.sampled_from(["published_at", "published\\u005fat"]))
def test_a_publishers_own_time_stays_as_it_is_whatever_it_is(value: Any, name: str) -> None:
    body = b'{"%b":%b,"a":1}' % (name.encode(), json.dumps(value).encode())
    assert wire(body, 7) == body[:-1] + b',"project_id":"p","offset":7}'


def test_a_time_further_inside_is_not_the_publications_own() -> None:
    assert wire(b'{"a":{"published_at":1}}', 7).endswith(b',"offset":7,"published_at":%d}' % PUBLISHED_AT_MS)


def test_the_longest_splice_is_within_its_maximum() -> None:
    sent = wire(b'{"a":1}', OFFSET_MAX, "p" * 128, OFFSET_MAX)
    assert len(sent) <= len(b'{"a":1}') + SPLICE_MAX_BYTES


def refusal(payload: bytes, project_id: str = "p") -> ErrorCode:
    """Why a publication is refused."""
    with pytest.raises(CommandError) as caught:
        publication_head(payload, project_id)
    return caught.value.code


@pytest.mark.parametrize("name", ["offset", "epoch", "o\\u0066fset", "\\u0065poch"])
@pytest.mark.parametrize("value", ["1", "null", '"x"', "{}"])
def test_offset_and_epoch_are_reserved_however_they_are_written(name: str, value: str) -> None:
    assert refusal(f'{{"{name}":{value}}}'.encode()) is ErrorCode.RESERVED_FIELD
    with pytest.raises(CommandError) as caught:
        broadcast_payload(f'{{"{name}":{value}}}'.encode())
    assert caught.value.code is ErrorCode.RESERVED_FIELD


@pytest.mark.parametrize("value", ['"q"', "null", "1", '["p"]', '"p "', '"P"'])
def test_another_project_id_is_refused_whatever_its_form(value: str) -> None:
    assert refusal(b'{"project_id":%b}' % value.encode()) is ErrorCode.PROJECT_MISMATCH


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", ErrorCode.INVALID_JSON),
        (b"{", ErrorCode.INVALID_JSON),
        (b'{"a":NaN}', ErrorCode.INVALID_JSON),
        (b'{"a":"\xff"}', ErrorCode.INVALID_JSON),
        (b'{"a":1}x', ErrorCode.INVALID_JSON),
        (b"[]", ErrorCode.NOT_AN_OBJECT),
        (b"null", ErrorCode.NOT_AN_OBJECT),
        (b'"{}"', ErrorCode.NOT_AN_OBJECT),
        (b'{"a":1,"a":1}', ErrorCode.DUPLICATE_KEY),
        (b'{"a":1,"\\u0061":1}', ErrorCode.DUPLICATE_KEY),
        (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", ErrorCode.TOO_DEEP),
        (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, ErrorCode.TOO_DEEP),
    ],
)
def test_what_is_no_object_is_refused(payload: bytes, code: ErrorCode) -> None:
    assert refusal(payload) is code
    with pytest.raises(CommandError) as caught:
        broadcast_payload(payload)
    assert caught.value.code is code
    with pytest.raises(CommandError) as caught:
        project_named_in(payload)
    assert caught.value.code is code


def test_a_lone_surrogate_in_a_reserved_field_is_answered() -> None:
    """Python's parser reads what the typed one refuses."""
    for payload in (b'{"project_id":"\\ud800"}', b'{"a":"\\ud800","project_id":"q"}', b'{"type":"\\ud800"}'):
        for read in (lambda body: publication_head(body, "p"), broadcast_payload, project_named_in):
            try:
                read(payload)
            except CommandError as fault:
                fault.message.encode()


@pytest.mark.parametrize("text", ['{"a":"\\ud83d"}', '{"a":"\\ud83d and more"}', '{"a":"\\udc00"}', '{"\\ud83d":1}'])
def test_a_surrogate_alone_is_named_and_never_called_a_truncated_text(text: str) -> None:
    with pytest.raises(CommandError) as caught:
        prepared(text.encode())
    assert caught.value.message == "Invalid JSON: an escaped UTF-16 surrogate stands without its partner"


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_answered(payload: bytes) -> None:
    for read in (lambda body: publication_head(body, "p"), broadcast_payload, project_named_in):
        with contextlib.suppress(CommandError):
            read(payload)


@pytest.mark.parametrize("name", MESSAGE_TYPES)
def test_a_broadcast_must_not_look_like_a_message_of_the_gateway(name: str) -> None:
    with pytest.raises(CommandError) as caught:
        broadcast_payload(b'{"type":"%b"}' % name.encode())
    assert caught.value.code is ErrorCode.RESERVED_FIELD
    assert publication_head(b'{"type":"%b"}' % name.encode(), "p")


def test_every_message_of_the_schema_that_the_gateway_sends_is_kept_from_broadcasts() -> None:
    for name in ("connected", "subscription_confirmed", "subscription_reset", "pong", "history", "error", "reconnect"):
        assert name in MESSAGE_TYPES


def test_a_broadcast_goes_out_as_it_came_without_white_space_around_it() -> None:
    assert broadcast_payload(b' \r\n{"a" : 1.50} \t') == b'{"a" : 1.50}'
    assert broadcast_payload(b'{"type":1}') == b'{"type":1}'
    assert is_valid("publication.json", broadcast_payload(b"{}"))


def test_the_project_that_an_object_names() -> None:
    assert project_named_in(b'{"project_id":"p"}') == "p"
    assert project_named_in(b'{"proj\\u0065ct_id":"\\u0070"}') == "p"
    assert project_named_in(b'{"a":{"project_id":"p"}}') is None
    for value in (b"null", b"1", b"{}"):
        with pytest.raises(CommandError) as caught:
            project_named_in(b'{"project_id":%b}' % value)
        assert caught.value.code is ErrorCode.INVALID_PROJECT_ID


def test_a_digest_tells_bodies_apart() -> None:
    first, second, again = (prepared(body, key="k").digest for body in (b'{"a":1}', b'{"a":2}', b'{"a":1}'))
    assert first != second
    assert first == again
    assert len(first) == 8
    assert prepared(b'{"a":1}').digest == b"", "without a key nobody asks"


def test_the_typed_reader_refuses_what_it_alone_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both parsers have to agree that it is JSON; the second one's refusals are typed too."""

    def refuse(_body: bytes) -> None:
        raise msgspec.DecodeError("no JSON to me")

    monkeypatch.setattr(publication, "_check_with_second_reader", refuse)
    assert refusal(b"{}") is ErrorCode.INVALID_JSON


@settings(max_examples=20)
@given(OBJECTS, st.integers(1, OFFSET_MAX), st.integers(1, OFFSET_MAX), st.booleans())
def test_a_publication_can_stand_at_another_offset(
    fields: dict[str, Any], offset: int, other: int, has_own_time: bool
) -> None:
    for name in ("offset", "epoch", "project_id", "published_at"):
        fields.pop(name, None)
    if has_own_time:
        fields["published_at"] = offset
    body = json.dumps(fields).encode()
    parts = publication.around_offset(wire(body, offset), offset)
    assert parts is not None
    assert b"%b%d%b" % (parts[0], other, parts[1]) == wire(body, other)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b'{"t":{"offset":7}}',
        b'{"t":"\\"offset\\":7}"}',
        b'{"offset":77}',
        b'{"offset":7,"published_at":1,"x":2}',
        b'{"offset":7 }',
    ],
)
def test_what_has_no_offset_at_its_end_has_nothing_around_it(payload: bytes) -> None:
    assert publication.around_offset(payload, 7) is None
