"""Where a compressed frame may stand (RFC 7692 section 6), and how much of one is taken in."""

from functools import partial

import pytest

from tests.support.decoding import check_outcomes, outcomes
from tests.support.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, RSV1, TEXT, client_frame, deflated
from websocket_handler.protocol.frame_decoder import (
    DEFLATE_EXTRA_BYTES,
    MESSAGE_FRAMES_MAX,
    Event,
    FrameDecoder,
    ProtocolViolation,
)

HELLO = (Event.TEXT, b"hello")
OVERSIZE = (Event.OVERSIZE, b"")
PROTOCOL_ERROR, INVALID, POLICY = 1002, 1007, 1008
PACKED = deflated(b"hello")


check = partial(check_outcomes, inflates=True)


def test_compressed_and_plain_messages_may_follow_each_other() -> None:
    compressed, plain = client_frame(TEXT, PACKED, rsv=RSV1), client_frame(TEXT, b"hello")
    check(plain + compressed + plain + compressed + compressed, [HELLO] * 5)
    check(client_frame(BINARY, deflated(b"\xff"), rsv=RSV1), [(Event.BINARY, b"\xff")])


def test_a_compressed_message_is_compressed_as_a_whole_and_then_cut_anywhere() -> None:
    for place in range(len(PACKED) + 1):
        stream = client_frame(TEXT, PACKED[:place], fin=False, rsv=RSV1)
        stream += client_frame(PING, b"!") + client_frame(CONTINUATION, PACKED[place:])
        check(stream * 2, [(Event.PING, b"!"), HELLO] * 2)


def test_an_empty_compressed_message() -> None:
    check(client_frame(TEXT, b"\0", rsv=RSV1), [(Event.TEXT, b"")])
    parts = client_frame(TEXT, fin=False, rsv=RSV1) + client_frame(CONTINUATION, b"\0", fin=False)
    check(parts + client_frame(CONTINUATION), [(Event.TEXT, b"")])


@pytest.mark.parametrize("opcode", [TEXT, BINARY, CONTINUATION, PING, PONG, CLOSE])
@pytest.mark.parametrize("rsv", range(1, 8))
def test_without_the_extension_every_reserved_bit_ends_the_connection(opcode: int, rsv: int) -> None:
    assert outcomes([client_frame(TEXT, b"hello") + client_frame(opcode, rsv=rsv)]) == [HELLO, PROTOCOL_ERROR]


@pytest.mark.parametrize("opcode", [TEXT, BINARY, CONTINUATION, PING, PONG, CLOSE])
@pytest.mark.parametrize("rsv", [1, 2, 3, 5, 6, 7])
def test_with_it_the_other_reserved_bits_still_do(opcode: int, rsv: int) -> None:
    check(client_frame(TEXT, PACKED, rsv=RSV1) + client_frame(opcode, PACKED, rsv=rsv), [HELLO, PROTOCOL_ERROR])


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_a_control_frame_is_never_compressed(opcode: int) -> None:
    check(client_frame(opcode, PACKED, rsv=RSV1), [PROTOCOL_ERROR])


@pytest.mark.parametrize("rsv", [0, RSV1])
def test_only_the_first_frame_says_that_the_message_is_compressed(rsv: int) -> None:
    first = client_frame(BINARY, PACKED[:2], fin=False, rsv=rsv)
    check(first + client_frame(CONTINUATION, PACKED[2:], rsv=RSV1), [PROTOCOL_ERROR])
    check(client_frame(CONTINUATION, PACKED, rsv=RSV1), [PROTOCOL_ERROR])
    check(first + client_frame(TEXT, PACKED, rsv=RSV1), [PROTOCOL_ERROR])


def test_fragments_of_a_compressed_message_are_counted() -> None:
    first = client_frame(TEXT, PACKED, fin=False, rsv=RSV1)
    check(first + client_frame(CONTINUATION, fin=False) * MESSAGE_FRAMES_MAX, [POLICY])


def test_a_message_that_cannot_be_unpacked_ends_the_connection_behind_what_came_before() -> None:
    good = client_frame(TEXT, PACKED, rsv=RSV1)
    check(good + client_frame(TEXT, b"\xff\xff", rsv=RSV1) + good, [HELLO, INVALID])
    check(good + client_frame(TEXT, deflated(b"\xff"), rsv=RSV1) + good, [HELLO, INVALID])
    check(client_frame(TEXT, b"\xff\xff", rsv=RSV1) + client_frame(TEXT, rsv=1), [INVALID])


def test_nothing_is_said_of_a_message_that_is_not_whole() -> None:
    assert outcomes([client_frame(TEXT, b"\xff\xff", rsv=RSV1, fin=False)], inflates=True) == []


@pytest.mark.parametrize("limit", [10, 1000, 65536])
def test_the_limit_is_on_what_comes_out(limit: int) -> None:
    at, over = deflated(b"x" * limit), deflated(b"x" * (limit + 1))
    after = client_frame(TEXT, PACKED, rsv=RSV1)
    check(client_frame(TEXT, at, rsv=RSV1) + after, [(Event.TEXT, b"x" * limit), HELLO], limit)
    check(client_frame(TEXT, over, rsv=RSV1) + after, [OVERSIZE, HELLO], limit)
    halves = client_frame(TEXT, over[:2], rsv=RSV1, fin=False) + client_frame(CONTINUATION, over[2:])
    check(halves + after, [OVERSIZE, HELLO], limit)


def test_what_compression_makes_a_little_larger_than_the_limit_passes() -> None:
    noise = bytes(range(256)) * 256
    stored = deflated(noise, level=0)
    assert len(stored) > len(noise)
    check(client_frame(BINARY, stored, rsv=RSV1), [(Event.BINARY, noise)], len(noise))


def test_what_is_taken_in_is_bounded_before_it_is_unpacked() -> None:
    padding = b"\0\0\0\xff\xff" * 40  # empty blocks: they add nothing to the message
    most = 100 + 100 // 8 + DEFLATE_EXTRA_BYTES
    fits = padding[: (most - len(PACKED)) // 5 * 5] + PACKED
    check(client_frame(TEXT, fits, rsv=RSV1), [HELLO], 100)
    after = client_frame(TEXT, PACKED, rsv=RSV1)
    check(client_frame(TEXT, padding + PACKED, rsv=RSV1) + after, [OVERSIZE, HELLO], 100)
    first = client_frame(TEXT, padding[:100], rsv=RSV1, fin=False)
    check(first + client_frame(CONTINUATION, padding) + after, [OVERSIZE, HELLO], 100)
    assert outcomes([client_frame(TEXT, padding + PACKED)[:8]], 100, inflates=True) == [OVERSIZE]


def test_a_plain_message_after_a_compressed_one_has_the_plain_limit() -> None:
    compressed = client_frame(TEXT, PACKED, rsv=RSV1)
    check(compressed + client_frame(TEXT, b"x" * 101) + compressed, [HELLO, OVERSIZE, HELLO], 100)
    parts = client_frame(TEXT, b"x" * 100, fin=False) + client_frame(CONTINUATION, b"x")
    check(compressed + parts + compressed, [HELLO, OVERSIZE, HELLO], 100)


def test_the_decoder_unpacks_nothing_itself() -> None:
    bomb = deflated(b"\0" * 1_000_000)
    events = FrameDecoder(65536, inflates=True).receive(client_frame(TEXT, bomb, rsv=RSV1) * 200)
    assert events == [(Event.DEFLATED_TEXT, bomb)] * 200


def test_an_idle_decoder_holds_nothing() -> None:
    decoder = FrameDecoder(1000, inflates=True)
    first = client_frame(TEXT, PACKED[:2], rsv=RSV1, fin=False)
    decoder.receive(first + client_frame(CONTINUATION, PACKED[2:]) + client_frame(TEXT, b"x" * 2000, rsv=RSV1))
    held = {name: getattr(decoder, name) for name in decoder.__slots__}
    assert {name for name, value in held.items() if value} <= {"_message_bytes_max", "_needed", "_inflates"}


def test_messages_before_a_fault_in_the_same_bytes_are_not_lost() -> None:
    with pytest.raises(ProtocolViolation) as caught:
        FrameDecoder(100, inflates=True).receive(client_frame(TEXT, PACKED, rsv=RSV1) + client_frame(PING, rsv=RSV1))
    assert caught.value.events == [(Event.DEFLATED_TEXT, PACKED)]
