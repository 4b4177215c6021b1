"""Compressed frames: each stands alone, is made once, and is worth it. Unpacking: bounded, whole, or refused."""

import random
import zlib
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.frames import deflated
from tests.support.server_frames import unpacked
from websocket_handler.protocol import deflate
from websocket_handler.protocol.deflate import THRESHOLD_BYTES, DeflateFraming, inflated
from websocket_handler.protocol.frame_decoder import Event, ProtocolViolation
from websocket_handler.protocol.frames import PLAIN, text_frame

LIMIT = 65_536
TEXT_KIND, BINARY_KIND = Event.DEFLATED_TEXT, Event.DEFLATED_BINARY
LARGE = b'{"type":"step","text":"%b"}' % (b"over and over " * 50)


# Out


def test_a_large_text_is_compressed_and_a_small_one_is_not() -> None:
    framing = DeflateFraming()
    small = b"x" * (THRESHOLD_BYTES - 1)
    assert framing.text(small) == framing.texts([small]) == text_frame(small)
    assert unpacked(framing.text(small + b"x")) == [(True, small + b"x")]
    assert unpacked(framing.texts([small, LARGE])) == [(False, small), (True, LARGE)]


def test_what_compression_makes_larger_is_sent_as_it_is() -> None:
    noise = random.Random(1).randbytes(1000)
    framing = DeflateFraming()
    assert framing.binary(noise) == PLAIN.binary(noise)
    assert framing.text(noise) == framing.texts([noise]) == PLAIN.text(noise)


def test_a_binary_message_is_compressed_too() -> None:
    data = DeflateFraming().binary(LARGE)
    assert data[0] == 0xC2
    assert unpacked(data) == [(True, LARGE)]


@given(st.lists(st.binary(max_size=400).map(lambda data: data * 3), max_size=10))
def test_every_frame_can_be_read_without_any_other(payloads: list[bytes]) -> None:
    framing = DeflateFraming()
    for _ in range(2):
        assert [payload for _, payload in unpacked(framing.texts(payloads))] == payloads
        assert [unpacked(framing.text(payload))[0][1] for payload in payloads] == payloads


def test_a_frame_says_nothing_about_the_messages_before_it() -> None:
    secret = b"the very same words of somebody else, " * 20
    fresh, used = DeflateFraming(), DeflateFraming()
    used.text(secret)
    assert len(used.text(secret)) == len(fresh.text(secret))


def test_a_publication_is_compressed_once_however_often_it_is_sent() -> None:
    framing = DeflateFraming()
    first = framing.texts([LARGE])
    assert framing.texts([LARGE]) is first
    assert framing.texts([LARGE, b"{}"]) == first + text_frame(b"{}")


def test_the_frames_that_are_kept_are_bounded_and_the_oldest_go_first() -> None:
    framing = DeflateFraming(made_bytes_max=2500)
    payloads = [b"%d " % number + LARGE for number in range(3)]
    frames = [framing.texts([payload]) for payload in payloads]
    assert framing.texts([payloads[2]]) is frames[2]
    again = framing.texts([payloads[0]])
    assert again is not frames[0]
    assert unpacked(again) == unpacked(frames[0])
    small = DeflateFraming(made_bytes_max=100)
    assert small.texts([LARGE]) is not small.texts([LARGE]), "too large to be kept at all"


def test_a_fault_in_the_middle_of_a_message_leaves_nothing_of_it_behind() -> None:
    class Failing:
        """A compressor that takes a message in and cannot give it out."""

        def compress(self, payload: bytes) -> bytes:
            """Takes it."""
            return b""

        def flush(self, mode: int) -> bytes:
            """Fails."""
            raise MemoryError

    with patch.object(deflate, "_new_compressor", Failing):
        framing = DeflateFraming()
    with pytest.raises(MemoryError):
        framing.text(LARGE)
    assert unpacked(framing.text(LARGE)) == [(True, LARGE)]


# In


@given(st.binary(max_size=2000), st.integers(9, 15), st.integers(0, 9))
def test_a_message_comes_out_as_it_went_in(message: bytes, window_bits: int, level: int) -> None:
    payload = deflated(message, level=level, window_bits=window_bits)
    assert inflated(BINARY_KIND, payload, LIMIT) == (Event.BINARY, message)


RFC_EXAMPLES = {  # RFC 7692 section 7.2.3
    "one block": "f248cdc9c90700",
    "no compression": "000500faff48656c6c6f00",
    "a last block": "f348cdc9c9070000",
    "a last block without the octet behind it": "f348cdc9c90700",
    "two blocks": "f248050000 00ffffcac9c90700",
}


@pytest.mark.parametrize("payload", RFC_EXAMPLES.values(), ids=RFC_EXAMPLES.keys())
def test_the_examples_of_the_rfc(payload: str) -> None:
    assert inflated(TEXT_KIND, bytes.fromhex(payload), LIMIT) == (Event.TEXT, b"Hello")


def test_an_empty_message() -> None:
    assert inflated(TEXT_KIND, b"\0", LIMIT) == (Event.TEXT, b"")
    assert inflated(TEXT_KIND, b"\x02\0", LIMIT) == (Event.TEXT, b"")


def test_a_message_does_not_refer_back_to_the_one_before() -> None:
    """The RFC's second "Hello" with context takeover (section 7.2.3.2) is no message here."""
    inflated(TEXT_KIND, bytes.fromhex("f248cdc9c90700"), LIMIT)
    assert refusal(TEXT_KIND, bytes.fromhex("f200110000")) == 1007


def refusal(event: Event, payload: bytes) -> int:
    """The close code that a compressed message ends its connection with."""
    with pytest.raises(ProtocolViolation) as caught:
        inflated(event, payload, LIMIT)
    return int(caught.value.close_code)


WHOLE = deflated(b"hello hello hello hello")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff" * 10,
        b"not deflate",
        WHOLE[:1],
        *(WHOLE[:end] for end in range(2, len(WHOLE) - 1)),
        WHOLE + b"\xff",
        bytes.fromhex("f348cdc9c90700") + WHOLE,
        bytes.fromhex("f348cdc9c907000000"),
        b"\x00\x05\x00\xfa\xffHel",
        b"\x07",
    ],
)
def test_what_is_not_one_whole_deflate_stream_is_refused(payload: bytes) -> None:
    assert refusal(BINARY_KIND, payload) == 1007


@pytest.mark.parametrize("text", [b"\xff", b"\xe2\x82", b"ok\xed\xa0\x80"])
def test_a_text_that_is_not_utf8_once_it_is_unpacked_is_refused(text: bytes) -> None:
    assert refusal(TEXT_KIND, deflated(text)) == 1007
    assert inflated(BINARY_KIND, deflated(text), LIMIT) == (Event.BINARY, text)


@pytest.mark.parametrize("limit", [1, 1000, LIMIT])
def test_a_message_at_the_limit_passes_and_one_byte_more_does_not(limit: int) -> None:
    assert inflated(TEXT_KIND, deflated(b"x" * limit), limit) == (Event.TEXT, b"x" * limit)
    assert inflated(TEXT_KIND, deflated(b"x" * (limit + 1)), limit) == (Event.OVERSIZE, b"")


def test_a_bomb_is_not_unpacked_beyond_the_limit() -> None:
    """A gigabyte in a megabyte: no more than the limit is ever held, whatever comes after."""
    taken: list[int] = []
    real = zlib.decompressobj

    class Watched:
        """An inflater that notes how much it gave out."""

        def __init__(self, window_bits: int) -> None:
            self._inflater = real(window_bits)

        def decompress(self, data: bytes, length_max: int) -> bytes:
            """Notes it."""
            assert length_max > 0, "0 would be no limit"
            found = self._inflater.decompress(data, length_max)
            taken.append(len(found))
            return found

    bomb = deflated(b"\0" * 1_048_576) * 100
    with patch.object(zlib, "decompressobj", Watched):
        assert inflated(TEXT_KIND, bomb, LIMIT) == (Event.OVERSIZE, b"")
        assert inflated(TEXT_KIND, deflated(b"\0" * (2 * LIMIT)) + b"\xff rubbish", LIMIT) == (Event.OVERSIZE, b"")
    assert taken == [LIMIT + 1] * 2


def test_a_bomb_in_a_bomb_is_unpacked_once() -> None:
    """What comes out is text or it is nothing: nobody inflates it again."""
    inner = deflated(b"\0" * 1_048_576)
    assert inflated(BINARY_KIND, deflated(inner), LIMIT) == (Event.BINARY, inner)
