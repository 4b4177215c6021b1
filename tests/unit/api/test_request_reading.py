"""How much of a request may come that is not its body."""

from collections.abc import Callable

import pytest

from websocket_handler.api.request_reading import FRAMING_BYTES_EACH, HeadEnds, Part, RequestReading
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.request_head import HeadTooLarge

HEAD_BYTES_MAX = 100


def nothing(_data: bytes) -> None:
    """The parser finds no border in what came."""


def feed(reading: RequestReading, count: int, *found: Callable[[], object]) -> None:
    """So many bytes come, and the parser finds these borders in them, in order."""

    def parse(_data: bytes) -> None:
        for report in found:
            report()

    reading.feed(bytes(count), parse)


def refused(reading: RequestReading, count: int) -> type[CommandError]:
    with pytest.raises(CommandError) as caught:
        reading.feed(bytes(count), nothing)
    assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE
    return caught.type


def in_body(reading: RequestReading) -> None:
    feed(reading, 40, reading.begin, lambda: reading.begin_body(40))


def test_a_head_may_come_in_pieces_up_to_its_bound() -> None:
    reading = RequestReading(HEAD_BYTES_MAX)
    feed(reading, 60, reading.begin)
    feed(reading, 40)
    assert reading.part is Part.HEAD
    assert refused(reading, 1) is HeadTooLarge


def test_a_complete_head_has_the_same_bound() -> None:
    reading = RequestReading(HEAD_BYTES_MAX)
    reading.begin()
    reading.begin_body(HEAD_BYTES_MAX)
    reading.complete()
    reading.begin()
    with pytest.raises(HeadTooLarge):
        reading.begin_body(HEAD_BYTES_MAX + 1)


def test_a_head_is_not_charged_for_the_request_before_it() -> None:
    """Where it begins in these bytes is not known, so they are not counted at all."""
    reading = RequestReading(HEAD_BYTES_MAX)
    in_body(reading)
    feed(reading, 10 * HEAD_BYTES_MAX, lambda: reading.add_body(900), reading.complete, reading.begin)
    feed(reading, HEAD_BYTES_MAX)
    assert refused(reading, 1) is HeadTooLarge


@pytest.mark.parametrize("body_bytes", [0, 1, 50])
def test_the_framing_of_a_body_has_a_bound_that_grows_with_the_body(body_bytes: int) -> None:
    reading = RequestReading(HEAD_BYTES_MAX)
    in_body(reading)
    framing_bytes = HEAD_BYTES_MAX + FRAMING_BYTES_EACH * body_bytes
    feed(reading, body_bytes + framing_bytes, lambda: reading.add_body(body_bytes))
    assert refused(reading, 1) is CommandError


def test_each_body_is_counted_for_itself() -> None:
    reading = RequestReading(HEAD_BYTES_MAX)
    for _ in range(2):
        in_body(reading)
        feed(reading, HEAD_BYTES_MAX)
        feed(reading, 5, reading.complete)
        assert reading.part is Part.NONE


def test_bytes_between_requests_count_for_nothing() -> None:
    reading = RequestReading(HEAD_BYTES_MAX)
    feed(reading, 10 * HEAD_BYTES_MAX)
    assert reading.part is Part.NONE


def parted(ends: HeadEnds, data: bytes) -> list[bytes]:
    """These bytes, cut where a head can end."""
    parts: list[bytes] = []
    start = 0
    while start < len(data):
        end = ends.next(data, start)
        parts.append(data[start:end])
        start = end
    ends.passed(data)
    return parts


HEADS = b"a\r\n\r\nb\r\n\r\n\r\nc\r\n\rd\r\n\r\n"


def test_a_head_can_end_behind_every_empty_line() -> None:
    assert parted(HeadEnds(), HEADS) == [b"a\r\n\r\n", b"b\r\n\r\n", b"\r\nc\r\n\rd\r\n\r\n"]
    assert parted(HeadEnds(), b"nothing") == [b"nothing"]


@pytest.mark.parametrize("size", range(1, len(HEADS)))
def test_an_empty_line_may_come_in_pieces(size: int) -> None:
    """Wherever the bytes are cut, a part ends behind each empty line."""
    ends = HeadEnds()
    places: set[int] = set()
    position = 0
    for start in range(0, len(HEADS), size):
        for part in parted(ends, HEADS[start : start + size]):
            position += len(part)
            places.add(position)
    assert position == len(HEADS)
    assert places >= {5, 10, len(HEADS)}
