"""Our decoder against the `websockets` library's Sans-I/O protocol, on generated streams of right and wrong frames.

Both have to find the same events and the same end, however the stream is cut, but for what
`tests/support/library_decoder.py` lists.
"""

from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.decoding import outcomes
from tests.support.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, client_frame, cut, each_byte
from tests.support.library_decoder import LIMIT, agree, reference
from tests.unit.protocol.streams import CUTS, MASKS, TEXTS, controls

LENGTHS = st.sampled_from([0, 1, 124, 125, 126, 127, LIMIT - 1, LIMIT, LIMIT + 1])
CLOSES = st.builds(
    lambda code, reason: code.to_bytes(2) + reason,
    st.sampled_from([1000, 1001, 1005, 1006, 1012, 1015, 999, 2999, 3000, 4999, 5000]),
    TEXTS.map(lambda text: text[:123]) | st.just(b"\xff"),
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A message as a client may send it, in one frame or several, with control frames in between."""
    payload = draw(TEXTS | LENGTHS.map(lambda length: b"x" * length))
    opcode = draw(st.sampled_from([TEXT, TEXT, BINARY]))
    places = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
    ends = [0, *places, len(payload)]
    stream = b""
    for index, (start, end) in enumerate(pairwise(ends)):
        if index and draw(st.booleans()):
            stream += draw(controls())
        code = opcode if index == 0 else CONTINUATION
        stream += client_frame(code, payload[start:end], fin=index == len(places), mask=draw(MASKS))
    return stream


@st.composite
def any_frames(draw: st.DrawFn) -> bytes:
    """One frame, right or wrong."""
    opcode = draw(
        st.sampled_from([TEXT, TEXT, CONTINUATION, CONTINUATION, BINARY, PING, PONG, CLOSE]) | st.integers(0, 15)
    )
    payload = draw(CLOSES if opcode == CLOSE else TEXTS | st.binary(max_size=130) | LENGTHS.map(bytes))
    form = draw(st.sampled_from([None, None, None, None, 2, 8]))
    rsv = draw(st.sampled_from([0, 0, 0, 0, 0, 0, 0, 1, 2, 4]))
    mask = draw(st.none() | MASKS) if draw(st.integers(0, 9)) == 0 else draw(MASKS)
    return client_frame(opcode, payload, fin=draw(st.booleans()), rsv=rsv, mask=mask, length_bytes=form)


STREAMS = st.lists(messages() | controls(), max_size=5).map(b"".join)
WRONG_STREAMS = st.lists(messages() | controls() | any_frames(), max_size=6).map(b"".join)


@given(STREAMS, CUTS)
def test_right_streams_mean_the_same_to_both(stream: bytes, places: list[int]) -> None:
    ours = outcomes(cut(stream, places), LIMIT)
    assert ours == reference(stream)
    assert not any(isinstance(outcome, int) for outcome in ours)


@given(STREAMS, CLOSES.filter(lambda payload: payload[:2] in (b"\x03\xe8", b"\x13\x87")), CUTS)
def test_right_streams_that_end_with_a_close(stream: bytes, payload: bytes, places: list[int]) -> None:
    whole = stream + client_frame(CLOSE, payload) + b"ignored"
    assert outcomes(cut(whole, places), LIMIT) == reference(whole)


@settings(max_examples=300)
@given(WRONG_STREAMS, CUTS)
@example(client_frame(CLOSE, b"\x00\x00\xff"), [])
@example(client_frame(TEXT, b"a", fin=False) + client_frame(CLOSE), [])
def test_wrong_streams_end_the_same_way(stream: bytes, places: list[int]) -> None:
    agree(stream, cut(stream, places))


@settings(max_examples=300)
@given(STREAMS, st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), min_size=1, max_size=3), CUTS)
def test_damaged_streams_end_the_same_way(stream: bytes, damage: list[tuple[int, int]], places: list[int]) -> None:
    damaged = bytearray(stream)
    for place, bits in damage:
        if damaged:
            damaged[place % len(damaged)] ^= bits
    agree(bytes(damaged), cut(bytes(damaged), places))


@given(st.binary(max_size=300), CUTS)
def test_noise_ends_the_same_way(stream: bytes, places: list[int]) -> None:
    agree(stream, cut(stream, places))


@given(WRONG_STREAMS, CUTS)
def test_how_a_stream_is_cut_decides_nothing(stream: bytes, places: list[int]) -> None:
    whole = outcomes([stream], LIMIT)
    assert outcomes(each_byte(stream), LIMIT) == whole
    assert outcomes(cut(stream, places), LIMIT) == whole


def test_the_same_close_codes_may_be_sent() -> None:
    theirs = {code for code in range(65536) if reference(client_frame(CLOSE, code.to_bytes(2))) != [1002]}
    ours = {code for code in range(65536) if outcomes([client_frame(CLOSE, code.to_bytes(2))]) != [1002]}
    assert ours == theirs
