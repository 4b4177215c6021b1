"""How a segment of a project's log is spelled as an item of the table.

Key `WS#LOG#{project}` / first offset in 20 digits; `e` epoch, `n` number of records, `w` writer, `d` the records in
MessagePack, `ttl` when the item expires. Several nodes that meet an empty log agree on its epoch in an item at the
offset 0, which has `e` and `ttl` only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from websocket_handler.adapters.aws.table import item_key
from websocket_handler.ports.log_store import Record, Segment

HEAD_ATTRIBUTES: Final = "SK, e, n, w, #ttl"
"""What `head_of` needs of an item."""
_encode_records: Final = msgspec.msgpack.Encoder().encode
_decode_records: Final = msgspec.msgpack.Decoder(tuple[Record, ...]).decode


@dataclass(frozen=True, slots=True)
class SegmentHead:
    """A segment's item without its records."""

    epoch: str
    first: int
    last: int
    writer: str
    ttl: int


def log_key(project_id: str) -> str:
    """The partition key of a project's log."""
    return f"WS#LOG#{project_id}"


def sort_key(offset: int) -> str:
    """The sort key of the segment that begins at this offset."""
    return f"{offset:020}"


def item_of(project_id: str, segment: Segment, ttl: int) -> dict[str, Any]:
    """The item of a segment that expires at `ttl`, in seconds since 1970."""
    return {
        **item_key(log_key(project_id), sort_key(segment.first)),
        "e": {"S": segment.epoch},
        "n": {"N": str(len(segment.records))},
        "w": {"S": segment.writer},
        "d": {"B": _encode_records(segment.records)},
        "ttl": {"N": str(ttl)},
    }


def beginning_of(project_id: str, epoch: str, ttl: int) -> dict[str, Any]:
    """The item that says under which epoch an empty log begins. No query for segments looks where it is."""
    key = item_key(log_key(project_id), sort_key(0))
    return {**key, "e": {"S": epoch}, "ttl": {"N": str(ttl)}}


def head_of(item: Mapping[str, Mapping[str, Any]]) -> SegmentHead:
    """What an item says about its segment."""
    first = int(item["SK"]["S"])
    last = first + int(item["n"]["N"]) - 1
    return SegmentHead(item["e"]["S"], first, last, item["w"]["S"], int(item["ttl"]["N"]))


def segment_of(item: Mapping[str, Mapping[str, Any]]) -> Segment:
    """The segment in an item."""
    first, records = int(item["SK"]["S"]), _decode_records(item["d"]["B"])
    if not records[0].offset:  # written by a gateway older than 0.2, whose records did not carry their offset
        records = tuple(msgspec.structs.replace(record, offset=first + index) for index, record in enumerate(records))
    return Segment(item["e"]["S"], first, item["w"]["S"], records)
