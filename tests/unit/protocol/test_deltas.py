"""Deltas: what is one, what continues it, and the bytes of several that are joined."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websocket_handler.protocol.deltas import Delta, joined, joined_bytes, next_delta, read_delta

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
    assert (found.offset, found.piece, found.payload) == (7, b"a", PLAIN)
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


# What is like the one before is found sooner, and nothing else is taken for it

LIKE = [
    PLAIN.replace(b'"a"', b'"b c"'),
    PLAIN.replace(b'"a"', b'""'),
    PLAIN.replace(b'"a"', '"ü{:},[]"'.encode()),
    PLAIN.replace(b":5}", b":1234567}"),
]
UNLIKE = [
    PLAIN.replace(b'"a"', b'"\\n"'),
    PLAIN.replace(b'"a"', b'"\\""'),
    PLAIN.replace(b"m1", b"m2"),
    PLAIN.replace(b'"p"', b'"q"'),
    PLAIN.replace(b',"published_at":5', b""),
    PLAIN.replace(b'"delta":"a"', b'"delta": "a"'),
    PLAIN.replace(b'"delta":"a"', b'"delta":"a","x":1'),
]
BROKEN = [
    PLAIN.replace(b'"a"', b'"\xff"'),
    PLAIN.replace(b'"a"', b'"\n"'),
    PLAIN.replace(b'"a"', b'"\\q"'),
    PLAIN.replace(b'"offset":7', b'"offset":8'),
    PLAIN.replace(b'"offset":7', b'"offset":07'),
    PLAIN + b"}",
    PLAIN[:-1],
    PLAIN.replace(b'"a"', b'"a","delta":"b"'),
    PLAIN.replace(b":5}", b':5,"offset":7}'),
]


def of_the_same(one: Delta | None, other: Delta | None) -> bool:
    """True if both say the same."""
    if one is None or other is None:
        return one is other
    return (one.offset, one.piece, one.alike, one.payload) == (other.offset, other.piece, other.alike, other.payload)


@pytest.mark.parametrize("payload", [*LIKE, *UNLIKE, *BROKEN], ids=range(len(LIKE) + len(UNLIKE) + len(BROKEN)))
def test_a_delta_behind_another_is_read_as_if_it_stood_alone(payload: bytes) -> None:
    earlier = at(6)
    found = read_delta(payload, 7, earlier)
    assert of_the_same(found, read_delta(payload, 7))
    assert (found is None) == (payload in BROKEN)
    assert (found is not None and found.alike is earlier.alike) == (payload in LIKE)


def test_where_a_value_holds_another_delta_each_one_is_read_in_full() -> None:
    nested = b'{"x":{"delta":"a"},' + PLAIN[1:]
    assert read(nested).frame is None
    behind = PLAIN.replace(b',"offset"', b',"x":{"delta":"a"},"offset"')
    assert read(behind).frame is not None
    assert read(PLAIN).frame is not None


@given(st.data())
def test_whatever_the_bytes_are_the_short_way_says_what_the_long_way_says(data: st.DataObject) -> None:
    """One change anywhere in a delta, by bytes that mean something."""
    position = data.draw(st.integers(0, len(PLAIN)))
    removed = data.draw(st.integers(0, 3))
    words = st.sampled_from(
        [b'"', b"\\", b":", b"{", b"}", b",", b"7", b"8", b" ", b"\xc3\xbc", b"\xff", b"\n", b'"delta":"']
    )
    inserted = b"".join(data.draw(st.lists(words, max_size=3)))
    payload = PLAIN[:position] + inserted + PLAIN[position + removed :]
    assert of_the_same(read_delta(payload, 7, at(6)), read_delta(payload, 7))


def test_the_next_delta_follows_right_behind_in_the_same_words_or_has_to_be_read() -> None:
    earlier = at(7)
    following = next_delta(at(8, b"b").payload, 8, earlier)
    assert following is not None
    assert (following.piece, following.offset, following.continues(earlier)) == (b"b", 8, True)
    assert next_delta(at(9).payload, 9, earlier) is None, "something is between them"
    assert next_delta(at(8).payload, 9, at(8)) is None, "it is another offset than it says"
    assert next_delta(at(8, b"\\n").payload, 8, earlier) is None
    unlike = Delta(7, b"a", earlier.alike, earlier.payload, None)
    assert next_delta(at(8).payload, 8, unlike) is None
