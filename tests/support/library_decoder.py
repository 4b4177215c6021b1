"""Reads a client's stream with the `websockets` library. Our decoder may differ from it in these points:

* Our decoder sees a fault in the header before the payload has come; the library waits for the payload.
* Ours is stricter: it refuses a length that is not in its shortest form or has its highest bit set, more than 1,024
  fragments, and text that is not UTF-8 (the library leaves that to its caller; `reference` does it).
* A message above the limit ends the library's connection; ours skips the message. `reference` does that, too.
* Ours is less strict once, as section 5.4 demands: a close frame may come between fragments; the library refuses it.
* A close frame with a bad code and a bad reason has two faults, and each of them may decide the close code.
"""

from __future__ import annotations

from typing import Final
from unittest.mock import patch

from websockets import frames as their_frames
from websockets.exceptions import ProtocolError
from websockets.protocol import State
from websockets.server import ServerProtocol

from tests.support.decoding import Outcome, outcomes
from tests.support.frames import CLOSE, CONTINUATION, PING, PONG, TEXT
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
    """True if more bytes could make it valid UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True


def is_utf8(data: bytes) -> bool:
    """True if it is UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def reference(stream: bytes) -> list[Outcome]:
    """The events of a stream according to the library: its frames, joined to messages, with the limit and UTF-8
    checked."""
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
    """True if every length that the library reads in this stream is in its shortest form."""
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
    """True if the library refuses this stream only because of a close frame inside a fragmented message."""
    library = ServerProtocol(state=State.OPEN, max_size=None)
    library.receive_data(stream)
    return str(library.parser_exc) == "incomplete fragmented message"


def agree(stream: bytes, chunks: list[bytes]) -> None:
    """Raises AssertionError unless both find the same, or differ in a point of the list above."""
    ours, theirs = outcomes(chunks, LIMIT), reference(stream)
    if ours == theirs:
        return
    end = ours[-1]
    if ours[:-1] == theirs and (isinstance(end, int) or end == (Event.OVERSIZE, b"")):
        return  # the last header decides before its payload is complete
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
