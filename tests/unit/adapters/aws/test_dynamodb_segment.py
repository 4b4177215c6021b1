"""How a segment is spelled as an item, and how items of older gateways are read."""

import msgspec

from websocket_handler.adapters.aws.dynamodb_segment import SegmentHead, head_of, item_of, segment_of
from websocket_handler.ports.log_store import Record, Segment

SEGMENT = Segment("e1", 7, "w", (Record(b"a", 1.5, "k", b"digest", 7), Record(b"b", 1.5, offset=8)))


def test_an_item_says_all_about_its_segment() -> None:
    item = item_of("p", SEGMENT, 99)
    assert (item["PK"], item["SK"]) == ({"S": "WS#LOG#p"}, {"S": "00000000000000000007"})
    assert segment_of(item) == SEGMENT
    assert head_of(item) == SegmentHead("e1", 7, 8, "w", 99)


def test_records_of_older_gateways_get_their_offset() -> None:
    """They were arrays of four: payload, time, key, digest."""
    item = item_of("p", SEGMENT, 99)
    item["d"] = {"B": msgspec.msgpack.encode([[b"a", 1.5, "k", b"digest"], [b"b", 1.5, "", b""]])}
    assert segment_of(item) == SEGMENT


def test_an_older_gateway_reads_our_records() -> None:
    """A rolling deployment has both on one table: the offset stands last, where an older reader does not look."""

    class OldRecord(msgspec.Struct, frozen=True, array_like=True):
        payload: bytes
        published_at: float
        key: str = ""
        digest: bytes = b""

    data = item_of("p", SEGMENT, 99)["d"]["B"]
    records = msgspec.msgpack.decode(data, type=tuple[OldRecord, ...])
    assert records == (OldRecord(b"a", 1.5, "k", b"digest"), OldRecord(b"b", 1.5))
