"""RFC 6455 section 5, rule by rule, each stream whole and byte by byte."""

import pytest

from tests.support.decoding import Outcome, check_outcomes, outcomes
from tests.support.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, client_frame
from websocket_handler.protocol.frame_decoder import (
    DISCARD_BYTES_MAX,
    MESSAGE_FRAMES_MAX,
    Event,
    FrameDecoder,
    ProtocolViolation,
)

HELLO = (Event.TEXT, b"hello")
OVERSIZE = (Event.OVERSIZE, b"")
PROTOCOL_ERROR, INVALID_UTF8, POLICY, TOO_BIG = 1002, 1007, 1008, 1009


# Section 5.1 and 5.3: masking


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
def test_an_unmasked_frame_ends_the_connection(opcode: int) -> None:
    check_outcomes(client_frame(TEXT, b"hello") + client_frame(opcode, mask=None), [HELLO, PROTOCOL_ERROR])


@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x02\x03\x04"])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5, 7, 8, 125, 126, 1000])
def test_payloads_of_every_length_are_unmasked(mask: bytes, length: int) -> None:
    payload = (b"abcdefg" * 200)[:length]
    check_outcomes(client_frame(TEXT, payload, mask=mask), [(Event.TEXT, payload)])


# Section 5.2: reserved bits, opcodes, lengths


@pytest.mark.parametrize("rsv", range(1, 8))
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
def test_reserved_bits_end_the_connection(opcode: int, rsv: int) -> None:
    check_outcomes(client_frame(TEXT, b"hello") + client_frame(opcode, rsv=rsv), [HELLO, PROTOCOL_ERROR])


def test_reserved_bits_on_a_continuation_end_the_connection() -> None:
    check_outcomes(client_frame(TEXT, b"a", fin=False) + client_frame(CONTINUATION, b"b", rsv=4), [PROTOCOL_ERROR])


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("fin", [True, False])
def test_unknown_opcodes_end_the_connection(opcode: int, fin: bool) -> None:
    check_outcomes(client_frame(opcode, b"x", fin=fin), [PROTOCOL_ERROR])
    check_outcomes(client_frame(TEXT, b"a", fin=False) + client_frame(opcode, b"x", fin=fin), [PROTOCOL_ERROR])


@pytest.mark.parametrize(("length", "form"), [(126, 2), (65535, 2), (65536, 8), (65537, 8)])
def test_long_lengths_in_their_shortest_form_are_read(length: int, form: int) -> None:
    payload = b"x" * length
    check_outcomes(client_frame(TEXT, payload, length_bytes=form, mask=b"\0" * 4), [(Event.TEXT, payload)], 100_000)


@pytest.mark.parametrize(("length", "form"), [(0, 2), (125, 2), (0, 8), (125, 8), (126, 8), (65535, 8)])
def test_a_length_that_is_not_in_its_shortest_form_ends_the_connection(length: int, form: int) -> None:
    check_outcomes(client_frame(TEXT, b"x" * length, length_bytes=form), [PROTOCOL_ERROR])


def test_a_length_with_the_highest_bit_ends_the_connection() -> None:
    check_outcomes(b"\x81\xff" + (1 << 63).to_bytes(8) + b"\0\0\0\0", [PROTOCOL_ERROR])
    check_outcomes(b"\x81\xff" + b"\xff" * 8 + b"\0\0\0\0", [PROTOCOL_ERROR])


def test_a_wrong_header_is_refused_before_its_payload_comes() -> None:
    assert outcomes([b"\xc1\x85"]) == [PROTOCOL_ERROR]
    assert outcomes([b"\x81\x05"]) == [PROTOCOL_ERROR]


# Section 5.4: fragmentation


def test_fragments_make_one_message() -> None:
    frames = [
        client_frame(TEXT, b"he", fin=False),
        client_frame(CONTINUATION, b"", fin=False),
        client_frame(CONTINUATION, b"ll", fin=False),
        client_frame(CONTINUATION, b"o"),
    ]
    check_outcomes(b"".join(frames), [HELLO])
    check_outcomes(b"".join(frames) * 2, [HELLO, HELLO])


def test_binary_fragments_make_one_binary_message_of_any_bytes() -> None:
    stream = client_frame(BINARY, b"\xff", fin=False) + client_frame(CONTINUATION, b"\xfe")
    check_outcomes(
        stream + client_frame(BINARY, b"\x00\xff"), [(Event.BINARY, b"\xff\xfe"), (Event.BINARY, b"\x00\xff")]
    )


def test_an_empty_message_in_empty_fragments() -> None:
    check_outcomes(client_frame(TEXT, fin=False) + client_frame(CONTINUATION), [(Event.TEXT, b"")])


def test_control_frames_between_fragments_come_out_in_their_order() -> None:
    stream = (
        client_frame(TEXT, b"he", fin=False)
        + client_frame(PING, b"1")
        + client_frame(CONTINUATION, b"l", fin=False)
        + client_frame(PONG, b"2")
        + client_frame(CONTINUATION, b"lo")
    )
    check_outcomes(stream, [(Event.PING, b"1"), (Event.PONG, b"2"), HELLO])


def test_a_close_between_fragments_ends_the_stream() -> None:
    check_outcomes(client_frame(TEXT, b"he", fin=False) + client_frame(CLOSE), [(Event.CLOSE, b"")])


@pytest.mark.parametrize("fin", [True, False])
def test_a_continuation_without_a_message_ends_the_connection(fin: bool) -> None:
    check_outcomes(client_frame(CONTINUATION, b"x", fin=fin), [PROTOCOL_ERROR])
    check_outcomes(client_frame(TEXT, b"hello") + client_frame(CONTINUATION, b"x", fin=fin), [HELLO, PROTOCOL_ERROR])
    whole = client_frame(TEXT, b"hel", fin=False) + client_frame(CONTINUATION, b"lo")
    check_outcomes(whole + client_frame(CONTINUATION, b"x", fin=fin), [HELLO, PROTOCOL_ERROR])


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("fin", [True, False])
def test_a_message_inside_another_ends_the_connection(opcode: int, fin: bool) -> None:
    check_outcomes(client_frame(TEXT, b"a", fin=False) + client_frame(opcode, b"x", fin=fin), [PROTOCOL_ERROR])


def test_as_many_fragments_as_allowed_and_not_one_more() -> None:
    first = client_frame(TEXT, b"a", fin=False)
    more = client_frame(CONTINUATION, b"b", fin=False)
    last = client_frame(CONTINUATION, b"c")
    text = b"a" + b"b" * (MESSAGE_FRAMES_MAX - 2) + b"c"
    check_outcomes(first + more * (MESSAGE_FRAMES_MAX - 2) + last, [(Event.TEXT, text)])
    check_outcomes(first + more * (MESSAGE_FRAMES_MAX - 1) + last, [POLICY])


def test_empty_fragments_count_too() -> None:
    stream = client_frame(TEXT, fin=False) + client_frame(CONTINUATION, fin=False) * MESSAGE_FRAMES_MAX
    check_outcomes(stream, [POLICY])


def test_the_fragments_of_each_message_are_counted_anew() -> None:
    one = client_frame(TEXT, b"hel", fin=False) + client_frame(CONTINUATION, b"lo")
    check_outcomes(one * MESSAGE_FRAMES_MAX, [HELLO] * MESSAGE_FRAMES_MAX)


# Section 5.5: control frames


@pytest.mark.parametrize(("opcode", "event"), [(PING, Event.PING), (PONG, Event.PONG)])
@pytest.mark.parametrize("payload", [b"", b"x", b"\xff" * 125])
def test_pings_and_pongs_carry_up_to_125_bytes_of_anything(opcode: int, event: Event, payload: bytes) -> None:
    check_outcomes(client_frame(opcode, payload), [(event, payload)])


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_a_control_frame_of_126_bytes_ends_the_connection(opcode: int) -> None:
    check_outcomes(client_frame(opcode, b"x" * 126), [PROTOCOL_ERROR])
    check_outcomes(client_frame(opcode, b"x" * 65536), [PROTOCOL_ERROR])


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_a_fragmented_control_frame_ends_the_connection(opcode: int) -> None:
    check_outcomes(client_frame(opcode, b"x", fin=False), [PROTOCOL_ERROR])


def test_control_frames_are_no_part_of_the_message_limit() -> None:
    stream = client_frame(TEXT, b"x" * 10, fin=False) + client_frame(PING, b"y" * 125) + client_frame(CONTINUATION)
    check_outcomes(stream, [(Event.PING, b"y" * 125), (Event.TEXT, b"x" * 10)], message_bytes_max=10)


# Section 5.5.1 and 7.4: closing


@pytest.mark.parametrize("code", [*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4500, 4999])
def test_close_codes_that_may_be_sent(code: int) -> None:
    payload = code.to_bytes(2) + "näh".encode()
    check_outcomes(client_frame(CLOSE, payload), [(Event.CLOSE, payload)])


@pytest.mark.parametrize("code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_close_codes_that_must_not_be_sent_end_the_connection(code: int) -> None:
    check_outcomes(client_frame(CLOSE, code.to_bytes(2)), [PROTOCOL_ERROR])


def test_a_close_without_a_code_is_fine_and_with_half_a_code_is_not() -> None:
    check_outcomes(client_frame(CLOSE), [(Event.CLOSE, b"")])
    check_outcomes(client_frame(CLOSE, b"\x03"), [PROTOCOL_ERROR])


def test_a_close_reason_has_up_to_123_bytes_of_utf8() -> None:
    payload = b"\x03\xe8" + b"x" * 123
    check_outcomes(client_frame(CLOSE, payload), [(Event.CLOSE, payload)])
    check_outcomes(client_frame(CLOSE, b"\x03\xe8\xff"), [INVALID_UTF8])
    check_outcomes(client_frame(CLOSE, b"\x03\xe8\xc3"), [INVALID_UTF8])


def test_nothing_after_a_close_is_read_however_wrong_it_is() -> None:
    check_outcomes(client_frame(CLOSE) + client_frame(TEXT, b"hello") + b"\xff\xff\xff", [(Event.CLOSE, b"")])


# Section 8.1: UTF-8

GOOD = ["", "κόσμε", "\x00", "\U0010ffff", "\ufffe", "\ud7ff", "\ue000", "€" * 100]
BAD = [b"\x80", b"\xc3", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80"]


@pytest.mark.parametrize("text", GOOD)
def test_utf8_may_be_cut_anywhere_between_fragments(text: str) -> None:
    payload = text.encode()
    check_outcomes(client_frame(TEXT, payload), [(Event.TEXT, payload)])
    for place in range(min(len(payload), 20)):
        stream = client_frame(TEXT, payload[:place], fin=False) + client_frame(CONTINUATION, payload[place:])
        check_outcomes(stream, [(Event.TEXT, payload)])


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("before", [b"", b"fine"])
def test_text_that_is_not_utf8_ends_the_connection(before: bytes, bad: bytes) -> None:
    check_outcomes(client_frame(TEXT, before + bad), [INVALID_UTF8])
    check_outcomes(client_frame(TEXT, before, fin=False) + client_frame(CONTINUATION, bad), [INVALID_UTF8])
    for place in range(1, len(bad)):
        first, second = client_frame(TEXT, before + bad[:place], fin=False), client_frame(CONTINUATION, bad[place:])
        check_outcomes(first + second, [INVALID_UTF8])


def test_bad_utf8_ends_the_connection_at_its_fragment_and_not_at_the_end_of_the_message() -> None:
    first = client_frame(TEXT, b"fine", fin=False)
    assert outcomes([first, client_frame(CONTINUATION, b"\xff", fin=False)]) == [INVALID_UTF8]


def test_a_character_that_is_never_finished_ends_the_connection() -> None:
    stream = client_frame(TEXT, b"\xe2\x82", fin=False) + client_frame(CONTINUATION, b"", fin=False)
    assert outcomes([stream]) == []
    check_outcomes(stream + client_frame(CONTINUATION, b""), [INVALID_UTF8])


def test_a_message_does_not_begin_in_the_middle_of_the_last_ones_character() -> None:
    stream = client_frame(TEXT, "é".encode(), fin=False) + client_frame(CONTINUATION)
    check_outcomes(stream + client_frame(TEXT, b"\xa9"), [(Event.TEXT, "é".encode()), INVALID_UTF8])


# The message limit


@pytest.mark.parametrize("limit", [10, 125, 126, 65535, 65536])
def test_a_message_at_the_limit_passes_and_one_byte_more_does_not(limit: int) -> None:
    at = client_frame(TEXT, b"x" * limit, mask=b"\0" * 4)
    over = client_frame(TEXT, b"x" * (limit + 1), mask=b"\0" * 4)
    hello = client_frame(TEXT, b"hello")
    check_outcomes(at + hello, [(Event.TEXT, b"x" * limit), HELLO], limit)
    check_outcomes(over + hello, [OVERSIZE, HELLO], limit)


@pytest.mark.parametrize("parts", [[4, 6], [10, 0], [0, 10], [3, 3, 4]])
def test_the_limit_counts_all_fragments(parts: list[int]) -> None:
    sizes = [*parts[:-1], parts[-1] + 1]
    whole: list[Outcome] = [(Event.TEXT, b"x" * 10), HELLO]
    told: list[Outcome] = [OVERSIZE, HELLO]
    for lengths, expected in ((parts, whole), (sizes, told)):
        last = len(lengths) - 1
        frames = [
            client_frame(CONTINUATION if index else TEXT, b"x" * length, fin=index == last)
            for index, length in enumerate(lengths)
        ]
        check_outcomes(b"".join(frames) + client_frame(TEXT, b"hello"), expected, 10)


def test_an_oversize_message_is_read_past_to_its_last_fragment() -> None:
    stream = (
        client_frame(TEXT, b"x" * 8, fin=False)
        + client_frame(CONTINUATION, b"x" * 300, fin=False)
        + client_frame(PING, b"alive")
        + client_frame(CONTINUATION, b"", fin=False)
        + client_frame(CONTINUATION, b"\xff")
        + client_frame(TEXT, b"hello")
    )
    check_outcomes(stream, [OVERSIZE, (Event.PING, b"alive"), HELLO], 10)


def test_binary_messages_have_the_same_limit() -> None:
    check_outcomes(client_frame(BINARY, b"x" * 11) + client_frame(TEXT, b"hello"), [OVERSIZE, HELLO], 10)


def test_an_oversize_message_is_told_with_its_header_before_its_bytes_come() -> None:
    decoder = FrameDecoder(10)
    assert decoder.receive(client_frame(TEXT, b"x" * 1000)[:8]) == [OVERSIZE]
    assert decoder.receive(b"x" * 500) == []


def test_the_rules_hold_inside_an_oversize_message() -> None:
    first = client_frame(TEXT, b"x" * 11, fin=False)
    check_outcomes(first + client_frame(TEXT, b"y"), [OVERSIZE, PROTOCOL_ERROR], 10)
    check_outcomes(first + client_frame(CONTINUATION, b"y", mask=None), [OVERSIZE, PROTOCOL_ERROR], 10)
    check_outcomes(first + client_frame(CONTINUATION, fin=False) * MESSAGE_FRAMES_MAX, [OVERSIZE, POLICY], 10)


def header(opcode: int, length: int, *, fin: bool = True) -> bytes:
    """A frame's header without its payload."""
    return bytes((fin << 7 | opcode, 0xFF)) + length.to_bytes(8) + b"\0\0\0\0"


def test_what_may_be_read_past_is_bounded() -> None:
    assert outcomes([header(TEXT, DISCARD_BYTES_MAX)]) == [OVERSIZE]
    assert outcomes([header(TEXT, DISCARD_BYTES_MAX + 1)]) == [TOO_BIG]
    assert outcomes([header(TEXT, (1 << 63) - 1)]) == [TOO_BIG]


def test_what_may_be_read_past_is_counted_over_all_fragments() -> None:
    half = DISCARD_BYTES_MAX // 2
    decoder = FrameDecoder(10)
    assert decoder.receive(header(TEXT, half, fin=False)) == [OVERSIZE]
    for _ in range(half // 65536):
        assert decoder.receive(b"x" * 65536) == []
    assert decoder.receive(header(CONTINUATION, half, fin=False)) == []
    for _ in range(half // 65536):
        assert decoder.receive(b"x" * 65536) == []
    with pytest.raises(ProtocolViolation) as caught:
        decoder.receive(client_frame(CONTINUATION, b"x"))
    assert caught.value.close_code == TOO_BIG


def test_an_idle_decoder_holds_nothing() -> None:
    decoder = FrameDecoder(1000)
    decoder.receive(client_frame(TEXT, b"x" * 900, fin=False) + client_frame(CONTINUATION, b"y" * 100))
    decoder.receive(client_frame(TEXT, b"x" * 1001))
    held = {name: getattr(decoder, name) for name in decoder.__slots__}
    assert {name for name, value in held.items() if value} <= {"_message_bytes_max", "_needed"}


def test_messages_before_a_fault_in_the_same_bytes_are_not_lost() -> None:
    """How the network cut the bytes must not decide whether a command is carried out."""
    with pytest.raises(ProtocolViolation) as caught:
        FrameDecoder(100).receive(client_frame(TEXT, b"hello") + client_frame(TEXT, b"x", rsv=1))
    assert caught.value.events == [HELLO]
