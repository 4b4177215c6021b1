"""Deltas: what is one, what continues it, and the bytes of several that are joined."""

import json

import pytest

from websocket_handler.protocol.deltas import Delta, joined, joined_bytes, read_delta

PLAIN = b'{"type":"TEXT_MESSAGE_CONTENT","messageId":"m1","delta":"a","project_id":"p","offset":7,"published_at":5}'


def read(payload: bytes, offset: int = 7) -> Delta:
    """The delta in a publication that is one."""
    found = read_delta(payload, offset)
    assert found is not None
    return found


def at(offset: int, piece: bytes = b"a") -> Delta:
    """The same delta at another offset, with another piece."""
    payload = PLAIN.replace(b'"offset":7', b'"offset":%d' % offset).replace(b'"delta":"a"', b'"delta":"%b"' % piece)
    return read(payload, offset)


def test_a_delta_has_its_piece_and_what_it_shares_with_the_others_of_its_text() -> None:
    found = read(PLAIN)
    assert (found.offset, found.piece, found.rest_bytes) == (7, b"a", len(PLAIN) - 1)
    assert {name: bytes(value) for name, value in found.alike.items()} == {
        "type": b'"TEXT_MESSAGE_CONTENT"',
        "messageId": b'"m1"',
        "project_id": b'"p"',
    }


@pytest.mark.parametrize(
    "payload",
    [
        PLAIN[:-1],
        PLAIN + b"}",
        PLAIN.replace(b'"a"', b'"\\q"'),
        PLAIN.replace(b'"a"', b'"\\ud83d"'),
        PLAIN.replace(b'"a"', b'"\xff"'),
        PLAIN.replace(b'"a"', b'"\n"'),
        PLAIN.replace(b'"m1"', b'"\\ud83d"'),
        PLAIN.replace(b'"p"', b"\xff"),
        PLAIN.replace(b'"p"', b'"\xc3"'),
        PLAIN.replace(b'"p"', b"nul"),
        PLAIN.replace(b'"p"', b"01"),
        PLAIN.replace(b'"p"', b'"\\x"'),
        PLAIN.replace(b'"p"', b'{"a":}'),
        b'["delta"]',
        b"",
        b"a",
    ],
    ids=range(16),
)
def test_what_is_malformed_is_no_delta(payload: bytes) -> None:
    """The log refuses all of them. A log that another program wrote may have them all the same."""
    assert read_delta(payload, 7) is None


@pytest.mark.parametrize(
    "extra",
    [
        b'"delta":"a",',
        b'"delta" : "b",',
        b'"d\\u0065lta":"b",',
        b'"messageId":"m1",',
        b'"offset":7,',
        b'"x":1,"x":1,',
        b'"x":{"a":1},"x":[":",":"],',
        b'"x":"::","x" :1,',
    ],
    ids=range(8),
)
def test_a_name_that_stands_twice_makes_no_delta(extra: bytes) -> None:
    assert read_delta(b"{" + extra + PLAIN[1:], 7) is None


def test_a_name_may_stand_again_inside_a_value() -> None:
    extra = b'"x":{"delta":1,"a:b":[":"]},"y":"\\"delta\\":",'
    assert read(b"{" + extra + PLAIN[1:]).piece == b"a"


@pytest.mark.parametrize(
    "payload",
    [
        PLAIN.replace(b'"offset":7', b'"offset":8'),
        PLAIN.replace(b'"offset":7', b'"offset":7.0'),
        PLAIN.replace(b',"offset":7', b""),
        PLAIN.replace(b'"offset":7', b'"first_offset":7,"offset":7'),
        PLAIN.replace(b',"delta":"a"', b',"delt":"delta"'),
        PLAIN.replace(b'"type":"TEXT_MESSAGE_CONTENT"', b'"type":7'),
        PLAIN.replace(b'"type":"TEXT_MESSAGE_CONTENT",', b""),
    ],
    ids=range(7),
)
def test_what_leaves_a_doubt_is_no_delta(payload: bytes) -> None:
    assert read_delta(payload, 7) is None


def test_a_delta_continues_the_one_right_before_it_and_no_other() -> None:
    assert at(8).continues(at(7))
    assert not at(9).continues(at(7)), "there is a hole"
    assert not at(7).continues(at(7))
    assert not at(7).continues(at(8))


def test_joined_deltas_have_exactly_the_size_that_was_foretold() -> None:
    for first, last in ((7, 8), (9, 10), (99, 102)):
        pieces = [b"", "ü".encode(), b"\\n"]
        size = joined_bytes(at(first), at(last), sum(map(len, pieces)))
        payload = joined(at(first), at(last), pieces)
        assert len(payload) == size
        assert json.loads(payload)["delta"] == "ü\n"
        assert (json.loads(payload)["first_offset"], json.loads(payload)["offset"]) == (first, last)


def test_white_space_and_escapes_in_names_make_them_smaller_than_foretold() -> None:
    spaced = read(PLAIN.replace(b'"messageId":"m1",', b'"mess\\u0061geId" : "m1" , '))
    size = joined_bytes(at(6), spaced, 2)
    payload = joined(at(6), spaced, [b"a", b"a"])
    assert len(payload) < size
    assert json.loads(payload) == {**json.loads(PLAIN), "delta": "aa", "first_offset": 6}
