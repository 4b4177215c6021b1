"""Compressed messages: our decoder and our unpacking against the `websockets` library's permessage-deflate.

Both have to find the same messages and the same end. Where they may differ:

* The library inflates every fragment as it comes, ours a message when it is whole: the library's fault may come first.
* Ours is stricter: a message that ends in the middle of a deflate block, or goes on behind the last one.
* What passes the limit is told at once, and not looked at further; the library inflates it to its end.
* The library's close code for what cannot be inflated is 1002, ours 1007; RFC 7692 names none.
"""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame
from websockets.protocol import State
from websockets.server import ServerProtocol

from tests.support.decoding import Outcome, outcomes
from tests.support.frames import BINARY, CONTINUATION, PING, PONG, TEXT, client_frame, cut, deflated
from tests.support.library_decoder import CONTROLS, LIMIT, is_utf8
from tests.unit.protocol.streams import CUTS, MASKS, TEXTS, controls
from websocket_handler.protocol.frame_decoder import Event

OVERSIZE = (Event.OVERSIZE, b"")
INVALID, PROTOCOL_ERROR = 1007, 1002


class WatchedDeflate(PerMessageDeflate):
    """The library's extension; tells the two kinds of its faults apart."""

    def __init__(self) -> None:
        super().__init__(True, True, 15, 15)
        self.is_not_deflate = False

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """As the library does."""
        try:
            return super().decode(frame, max_size=max_size)
        except ProtocolError as fault:
            self.is_not_deflate = str(fault) == "decompression failed"
            raise


def reference(stream: bytes) -> list[Outcome]:
    """What the stream means: the library's frames, joined to messages and then held to the limit and to UTF-8."""
    extension = WatchedDeflate()
    library = ServerProtocol(state=State.OPEN, max_size=None)
    library.extensions = [extension]
    library.receive_data(stream)
    found: list[Outcome] = []
    kind, message = TEXT, b""
    for frame in [event for event in library.events_received() if isinstance(event, Frame)]:
        if frame.opcode in CONTROLS:
            found.append((CONTROLS[frame.opcode], bytes(frame.data)))
            continue
        kind = kind if frame.opcode == CONTINUATION else int(frame.opcode)
        message += frame.data
        if frame.fin:
            if len(message) > LIMIT:
                found.append(OVERSIZE)
            elif kind == TEXT and not is_utf8(message):
                return [*found, INVALID]
            else:
                found.append((Event.TEXT if kind == TEXT else Event.BINARY, message))
            message = b""
    if library.parser_exc is not None:
        found.append(INVALID if extension.is_not_deflate else PROTOCOL_ERROR)
    return found


@st.composite
def compressors(draw: st.DrawFn, payload: bytes) -> bytes:
    """The payload as one of the many streams that inflate to it."""
    # What is too large already as it comes is told at its first frame: not this test's question.
    levels = [0, 1, 6, 9] if len(payload) <= LIMIT else [1, 6, 9]
    window_bits, level = draw(st.integers(9, 15)), draw(st.sampled_from(levels))
    return deflated(payload, level=level, window_bits=window_bits)


@st.composite
def cut_to_frames(draw: st.DrawFn, opcode: int, payload: bytes, *, is_compressed: bool) -> bytes:
    """One message in one frame or several, with pings and pongs in between."""
    places = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
    stream = b""
    for index, (start, end) in enumerate(pairwise([0, *places, len(payload)])):
        if index and draw(st.booleans()):
            stream += draw(controls())
        code, rsv = (CONTINUATION, 0) if index else (opcode, 4 if is_compressed else 0)
        stream += client_frame(code, payload[start:end], fin=index == len(places), rsv=rsv, mask=draw(MASKS))
    return stream


PAYLOADS = (
    TEXTS
    | st.binary(max_size=60)
    | st.sampled_from([b"x" * 299, b"x" * 300, b"x" * 301, b"x" * 20_000, bytes(range(256)), b""])
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A message, compressed or not. A text is always UTF-8."""
    payload = draw(PAYLOADS)
    opcode = draw(st.sampled_from([TEXT, TEXT, BINARY])) if is_utf8(payload) else BINARY
    if draw(st.integers(0, 3)) == 0:
        payload = payload[:LIMIT]  # where a large one is told depends on its frames: not this test's question
        return draw(cut_to_frames(opcode, payload, is_compressed=False))
    return draw(cut_to_frames(opcode, draw(compressors(payload)), is_compressed=True))


@st.composite
def broken_messages(draw: st.DrawFn) -> bytes:
    """A compressed message that is damaged, cut short, continued, or no deflate at all."""
    payload = bytearray(draw(compressors(draw(PAYLOADS))))
    for place, bits in draw(st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), max_size=2)):
        if payload:
            payload[place % len(payload)] ^= bits
    end = draw(st.integers(0, len(payload)) | st.just(len(payload)))
    more = draw(st.sampled_from([b"", b"", b"\0", b"\0\0\xff\xff", b"\x01\0\0\xff\xff", b"x"]) | st.binary(max_size=20))
    broken = draw(st.just(bytes(payload[:end]) + more) | st.binary(max_size=100))
    return draw(cut_to_frames(draw(st.sampled_from([TEXT, BINARY])), broken, is_compressed=True))


@st.composite
def odd_frames(draw: st.DrawFn) -> bytes:
    """One frame with any reserved bits: begun, continued or ended out of turn."""
    opcode = draw(st.sampled_from([TEXT, CONTINUATION, BINARY, PING, PONG]))
    rsv, fin = draw(st.sampled_from([0, 4, 4, 4, 1, 2, 5, 6, 7])), draw(st.booleans())
    return client_frame(opcode, deflated(b"odd"), rsv=rsv, fin=fin, mask=draw(MASKS))


STREAMS = st.lists(messages() | controls(), max_size=5).map(b"".join)
WRONG_STREAMS = st.lists(messages() | controls() | broken_messages() | odd_frames(), max_size=6).map(b"".join)


@settings(max_examples=300)
@given(STREAMS, CUTS)
def test_right_streams_mean_the_same_to_both(stream: bytes, places: list[int]) -> None:
    ours = outcomes(cut(stream, places), LIMIT, inflates=True)
    assert ours == reference(stream)
    assert not any(isinstance(outcome, int) for outcome in ours)


def agree(ours: list[Outcome], theirs: list[Outcome]) -> None:
    """Both found the same, or differ where the list above says so."""
    same = next((n for n, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), None)
    same = min(len(ours), len(theirs)) if same is None else same
    our_rest, their_rest = ours[same:], theirs[same:]
    if our_rest in (their_rest, [INVALID]):
        return
    if len(our_rest) == 1 and isinstance(our_rest[0], int) and not their_rest:
        return  # the last header decides before its payload is whole
    assert their_rest == [INVALID], (ours, theirs)
    # The library has found something that it cannot inflate: ours tells that it is too large, or goes on to its end.
    # Pings and pongs between the fragments come before that.
    first = next((rest for rest in our_rest if isinstance(rest, int) or rest[0] not in CONTROLS.values()), OVERSIZE)
    assert isinstance(first, int) or first == OVERSIZE, (ours, theirs)


@settings(max_examples=600)
@given(WRONG_STREAMS, CUTS)
def test_wrong_streams_end_the_same_way_or_sooner(stream: bytes, places: list[int]) -> None:
    ours = outcomes(cut(stream, places), LIMIT, inflates=True)
    agree(ours, reference(stream))
    assert outcomes([stream], LIMIT, inflates=True) == ours, "how a stream is cut decides nothing"


def test_too_large_and_broken_behind_it_may_be_told_after_a_ping() -> None:
    """The library stops at the fault in the first fragment. Ours inflates the whole message, up to the limit."""
    broken = deflated(b"x" * 20_000) + b"\0\0\xff\xff" + b"\xff"  # a block of no kind
    stream = (
        client_frame(TEXT, broken, fin=False, rsv=4)
        + client_frame(PING, b"")
        + client_frame(CONTINUATION, b"")
        + client_frame(TEXT, b"on it goes")
    )
    ours = outcomes([stream], LIMIT, inflates=True)
    assert ours == [(Event.PING, b""), OVERSIZE, (Event.TEXT, b"on it goes")]
    assert reference(stream) == [INVALID]
    agree(ours, reference(stream))


@given(STREAMS, CUTS)
def test_without_the_extension_the_first_compressed_frame_ends_the_stream(stream: bytes, places: list[int]) -> None:
    ours = outcomes(cut(stream, places), LIMIT)
    whole = outcomes([stream], LIMIT, inflates=True)
    if ours != whole:
        assert ours[-1] == PROTOCOL_ERROR
        assert ours[:-1] == whole[: len(ours) - 1]
