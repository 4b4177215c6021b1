"""A segment keeps everything in the stream, and gets its offsets when it is read."""

import msgspec

from tests.support.publications import wire
from websocket_handler.adapters.valkey.entry import Entry, data_of, keys_of, read_entries
from websocket_handler.ports.log_store import Record, Segment

AT = 1_800_000_000.25


def segment(first: int) -> Segment:
    """Three publications: with a key, without one, and bytes that are no publication."""
    bodies = [wire(b'{"t":"a"}', first), wire(b'{"published_at":1}', first + 1), b"no publication"]
    keys = [("key", b"digest"), ("", b""), ("other", b"x")]
    records = [
        Record(body, AT, key, digest, first + index)
        for index, (body, (key, digest)) in enumerate(zip(bodies, keys, strict=True))
    ]
    return Segment("e", first, "w", tuple(records))


def entry_of(written: Segment, first: int) -> Entry:
    return Entry(first, first + 2, written.writer, "before", data_of(written), keys_of(written))


def test_a_segment_comes_back_as_it_was() -> None:
    assert entry_of(segment(41), 41).segment("e") == segment(41)


def test_a_segment_that_moved_has_its_new_offsets_everywhere() -> None:
    assert entry_of(segment(41), 9_007_199_254_740_000).segment("e") == segment(9_007_199_254_740_000)


def test_keys_stand_between_separators() -> None:
    assert keys_of(segment(1)) == "\nkey\nother\n"
    assert keys_of(msgspec.structs.replace(segment(1), records=segment(1).records[1:2])) == ""


def test_a_reply_is_read() -> None:
    written = segment(41)
    fields = [b"w", b"w", b"p", b"before", b"f", b"41", b"t", b"0", b"c", b"9", b"k", b"\nkey\nother\n"]
    assert read_entries([(b"43-0", [*fields, b"d", data_of(written)])]) == [entry_of(written, 41)]
