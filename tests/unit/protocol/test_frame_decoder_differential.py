"""Our decoder against the `websockets` library's Sans-I/O protocol, on generated streams of right and wrong frames.

Both have to find the same events and the same end, however the stream is cut. Where they may differ:

* A fault that the header shows already is ours to see before the payload came; the library waits for it.
* Ours is stricter: a length that is not in its shortest form, or has its highest bit set; more than 1,024
  fragments; a text that is not UTF-8 (the library leaves that to its caller: the reference below does it).
* A message beyond the limit ends the library's connection; ours reads past it. The reference does that too.
* Ours is laxer once, as section 5.4 has it: a close frame may come between fragments; the library refuses it.
* A close frame with a bad code and a bad reason has two faults, and either may name the close code.
"""

from itertools import pairwise
from typing import Final
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets import frames as their_frames
from websockets.exceptions import ProtocolError
from websockets.protocol import State
from websockets.server import ServerProtocol

from tests.support.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, client_frame, cut, each_byte
from tests.unit.protocol.decoding import Outcome, outcomes
from websocket_handler.protocol.frame_decoder import Event

LIMIT: Final = 300
CONTROLS = {PING: Event.PING, PONG: Event.PONG, CLOSE: Event.CLOSE}


def library_frames(stream: bytes) -> tuple[list[their_frames.Frame], int | None]:
    """The frames that the library accepts, and its close code if it fails the connection."""
    library = ServerProtocol(state=State.OPEN, max_size=None)
    library.receive_data(stream)
    frames = [event for event in library.events_received() if isinstance(event, their_frames.Frame)]
    fault = library.parser_exc
    if fault is None:
        return frames, None
    return frames, 1007 if isinstance(fault, UnicodeDecodeError) else 1002 if isinstance(fault, ProtocolError) else 1009


def is_start_of_utf8(data: bytes) -> bool:
    """Whether more bytes could make it UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True


def is_utf8(data: bytes) -> bool:
    """Whether it is UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def reference(stream: bytes) -> list[Outcome]:
    """What the stream means: the library's frames, joined to messages and held to the limit and to UTF-8."""
    frames, close_code = library_frames(stream)
    found: list[Outcome] = []
    kind, message, is_over = TEXT, b"", False
    for frame in frames:
        if frame.opcode in CONTROLS:
            found.append((CONTROLS[frame.opcode], bytes(frame.data)))
            continue
        kind = kind if frame.opcode == CONTINUATION else int(frame.opcode)
        message += frame.data
        if len(message) > LIMIT and not is_over:
            found.append((Event.OVERSIZE, b""))
            is_over = True
        if not is_over and kind == TEXT and not (is_utf8 if frame.fin else is_start_of_utf8)(message):
            return [*found, 1007]
        if frame.fin:
            if not is_over:
                found.append((Event.TEXT if kind == TEXT else Event.BINARY, message))
            message, is_over = b"", False
    return found if close_code is None else [*found, close_code]


def is_shortest(stream: bytes) -> bool:
    """Whether every length that the library reads in this stream is in its shortest form."""
    lengths: list[bool] = []
    parse = their_frames.Frame.parse.__func__  # type: ignore[attr-defined]

    def watched(cls, /, read_exact, **options):  # type: ignore[no-untyped-def]
        def reading(count: int):  # type: ignore[no-untyped-def]
            data = yield from read_exact(count)
            reads.append(bytes(data))
            if len(reads) == 2 and len(data) in (2, 8) and reads[0][1] & 0x7F >= 126:
                number = int.from_bytes(data)
                lengths.append(number >= 126 if len(data) == 2 else 65536 <= number < 1 << 63)
            return data

        reads: list[bytes] = []
        return (yield from parse(cls, reading, **options))

    with patch.object(their_frames.Frame, "parse", classmethod(watched)):
        library_frames(stream)
    return all(lengths)


def is_close_between_fragments(stream: bytes) -> bool:
    """Whether the library refuses this stream for a close frame inside a fragmented message only."""
    library = ServerProtocol(state=State.OPEN, max_size=None)
    library.receive_data(stream)
    return str(library.parser_exc) == "incomplete fragmented message"


def agree(stream: bytes, chunks: list[bytes]) -> None:
    """Both find the same, or differ where the list above says so."""
    ours, theirs = outcomes(chunks, LIMIT), reference(stream)
    if ours == theirs:
        return
    end = ours[-1]
    if ours[:-1] == theirs and (isinstance(end, int) or end == (Event.OVERSIZE, b"")):
        return  # the last header decides before its payload is whole
    if not is_shortest(stream):
        assert end == 1002
        assert ours[:-1] == theirs[: len(ours) - 1]
        return
    if is_close_between_fragments(stream):
        assert isinstance(end, tuple)
        assert end[0] is Event.CLOSE
        assert [*ours[:-1], 1002] == theirs
        return
    assert ours[:-1] == theirs[:-1]
    assert {end, theirs[-1]} == {1002, 1007}, "a close frame with two faults"


MASKS = st.binary(min_size=4, max_size=4)
TEXTS = st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace"))
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
def controls(draw: st.DrawFn) -> bytes:
    """A ping or pong."""
    return client_frame(draw(st.sampled_from([PING, PONG])), draw(st.binary(max_size=125)), mask=draw(MASKS))


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
CUTS = st.lists(st.integers(0, 10_000), max_size=6)


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
