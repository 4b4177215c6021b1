"""How a segment of a project's log is spelled as an entry of a stream.

The entry's id is the segment's last offset, so the entry that holds an offset is the first one at or behind it. Fields:
`w` writer, `p` the writer of the segment before it, `f` first offset, `t` when it was written (milliseconds), `c` bytes
of the log up to its end, `k` idempotency keys, `d` the publications. These are written without their offsets, so that
the server may choose them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import msgspec

from websocket_handler.ports.log_store import Record, Segment, SegmentLimits
from websocket_handler.protocol.publication import around_offset

SEGMENT_LIMITS: Final = SegmentLimits(messages=500, bytes=262_144)
"""What one entry takes."""
KEY_SEPARATOR: Final = "\n"
"""No idempotency key has one."""


class _Stored(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A publication without its offset. `behind` is None if it has none in its bytes."""

    head: bytes
    behind: bytes | None
    published_at: float
    key: str = ""
    digest: bytes = b""


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(tuple[_Stored, ...]).decode


@dataclass(frozen=True, slots=True)
class Entry:
    """A segment as the stream has it."""

    first: int
    last: int
    writer: str
    predecessor: str
    """The writer of the segment before it; empty at the beginning of a log."""
    data: bytes
    keys: str

    def segment(self, epoch: str) -> Segment:
        """The segment with its offsets."""
        stored = enumerate(_decode(self.data), self.first)
        return Segment(epoch, self.first, self.writer, tuple(_record(each, offset) for offset, each in stored))


def _record(stored: _Stored, offset: int) -> Record:
    payload = stored.head if stored.behind is None else b"%b%d%b" % (stored.head, offset, stored.behind)
    return Record(payload, stored.published_at, stored.key, stored.digest, offset)


def data_of(segment: Segment) -> bytes:
    """The field `d` of a segment."""
    return _encode([_stored(record) for record in segment.records])


def _stored(record: Record) -> _Stored:
    head, behind = around_offset(record.payload, record.offset) or (record.payload, None)
    return _Stored(head, behind, record.published_at, record.key, record.digest)


def keys_of(segment: Segment) -> str:
    """The field `k` of a segment: its keys, each between two separators; empty without keys."""
    keys = [record.key for record in segment.records if record.key]
    return KEY_SEPARATOR.join(("", *keys, "")) if keys else ""


def read_entries(reply: object) -> Sequence[Entry]:
    """The entries in a reply to XRANGE."""
    return [_entry(entry_id, fields) for entry_id, fields in cast("list[tuple[bytes, list[bytes]]]", reply)]


def _entry(entry_id: bytes, fields: Sequence[bytes]) -> Entry:
    values = dict(zip(fields[::2], fields[1::2], strict=True))
    return Entry(
        first=int(values[b"f"]),
        last=int(entry_id.partition(b"-")[0]),
        writer=values[b"w"].decode(),
        predecessor=values[b"p"].decode(),
        data=values[b"d"],
        keys=values[b"k"].decode(),
    )
