"""Reads a client's stream with our decoder."""

from collections.abc import Iterable

from tests.support.frames import each_byte
from websocket_handler.protocol.deflate import inflated
from websocket_handler.protocol.frame_decoder import Event, FrameDecoder, ProtocolViolation

Outcome = tuple[Event, bytes] | int
"""An event; or, at the end, the close code of a violation."""


def outcomes(chunks: Iterable[bytes], message_bytes_max: int = 65536, *, inflates: bool = False) -> list[Outcome]:
    """The events that our decoder finds in a stream, up to its end. Compressed messages are decompressed."""
    decoder = FrameDecoder(message_bytes_max, inflates=inflates)
    found: list[Outcome] = []
    for chunk in chunks:
        end: list[Outcome] = []
        try:
            events = decoder.receive(chunk)
        except ProtocolViolation as violation:
            events, end = violation.events, [int(violation.close_code)]
        for event, payload in events:
            if event in (Event.DEFLATED_TEXT, Event.DEFLATED_BINARY):
                try:
                    found.append(inflated(event, payload, message_bytes_max))
                except ProtocolViolation as violation:
                    return [*found, int(violation.close_code)]
            else:
                found.append((event, payload))
        if end or (events and events[-1][0] is Event.CLOSE):
            return [*found, *end]
    return found


def check_outcomes(
    stream: bytes, expected: list[Outcome], message_bytes_max: int = 65536, *, inflates: bool = False
) -> None:
    """Raises AssertionError unless the stream has these events, however it is cut."""
    middle = len(stream) // 2
    cuts = [[stream], [stream[:middle], b"", stream[middle:]]]
    if len(stream) < 5000:
        cuts.append(each_byte(stream))
    for chunks in cuts:
        assert outcomes(chunks, message_bytes_max, inflates=inflates) == expected
