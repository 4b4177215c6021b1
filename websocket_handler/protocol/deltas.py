"""Deltas: publications that each carry the next piece of one text. Consecutive ones can be sent as one publication.

The work is done on the bytes that subscribers get: the pieces are joined as they are written, and no text is encoded
again. A publication that leaves any doubt is no delta, and is sent as it is.

The deltas of one text nearly always have the same bytes around their pieces. So the first one is read in full, and the
next ones are compared with it.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct

from websocket_handler.protocol.plain import is_utf8

PIECE: Final = "delta"
TEXT_MESSAGE_CONTENT: Final = b'"TEXT_MESSAGE_CONTENT"'
REASONING_MESSAGE_CONTENT: Final = b'"REASONING_MESSAGE_CONTENT"'
TOOL_CALL_ARGS: Final = b'"TOOL_CALL_ARGS"'
NAMED_BY: Final = {
    TEXT_MESSAGE_CONTENT: "messageId",
    REASONING_MESSAGE_CONTENT: "messageId",
    TOOL_CALL_ARGS: "toolCallId",
}
"""The types of deltas, as JSON writes them, and the field that names the text which they continue."""
OF_THE_LAST: Final = frozenset({"offset", "published_at", "timestamp", "sequence"})
"""The fields in which deltas of one text may differ. The joined publication has those of the last one."""
FIRST_OFFSET: Final = "first_offset"
_FIRST_OFFSET_BYTES: Final = len('"first_offset":,')
_ABSENT: Final = Raw(b"")
_read: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_check_text: Final = msgspec.json.Decoder(str).decode
_write: Final = msgspec.json.Encoder().encode
_PIECE_BEGINS: Final = b'"delta":"'
_NOT_PLAIN: Final = b'"\\' + bytes(range(32))
"""What no piece without an escape contains."""
_TIME: Final = b',"published_at":'
"""What stands between the offset and the time of the gateway."""
_END: Final = re.compile(rb'("offset":)([1-9][0-9]*)(,"published_at":[0-9]+)?\}')


class Frame(Struct, frozen=True, gc=False):
    """The bytes around the piece that the plain deltas of one text have in common."""

    before: bytes
    """Up to the piece."""
    behind: bytes
    """From the quote that ends the piece to the colon of `offset`."""
    has_time: bool
    """True if the gateway's `published_at` follows."""


class Delta(Struct, frozen=True, gc=False):
    """One delta, as it stands in a project's log."""

    offset: int
    piece: bytes
    """What it adds to the text, as JSON writes it, without the quotes."""
    alike: dict[str, Raw]
    """The fields that the deltas of one text have in common."""
    payload: bytes
    frame: Frame | None
    """None if it is not plain."""

    def continues(self, earlier: "Delta") -> bool:
        """True if this one follows right after `earlier`, and continues the same text."""
        if self.offset != earlier.offset + 1:
            return False
        return self.alike is earlier.alike or self.alike == earlier.alike


def read_delta(payload: bytes, offset: int, earlier: Delta | None = None) -> Delta | None:
    """The delta in a publication that stands at `offset`. Returns None if it is none, if a name stands there twice, if
    it has a `first_offset` of its own, or if anything is wrong with it. It is found sooner if it is like `earlier`."""
    if earlier is not None and earlier.frame is not None:
        piece = _piece_in(payload, offset, earlier.frame)
        if piece is not None:
            return Delta(offset, piece, earlier.alike, payload, earlier.frame)
    return _read_in_full(payload, offset) if b'"delta"' in payload else None


def next_delta(payload: bytes, offset: int, earlier: Delta) -> Delta | None:
    """The delta in a publication that follows right after `earlier`, and looks like it. None if it has to be read."""
    if earlier.frame is None or offset != earlier.offset + 1:
        return None
    piece = _piece_in(payload, offset, earlier.frame)
    return None if piece is None else Delta(offset, piece, earlier.alike, payload, earlier.frame)


def _read_in_full(payload: bytes, offset: int) -> Delta | None:
    if not is_utf8(payload):
        return None
    try:
        fields = _read(payload)
    except msgspec.DecodeError:
        return None
    named_by = NAMED_BY.get(bytes(fields.get("type", _ABSENT)))
    is_delta = (
        named_by is not None
        and FIRST_OFFSET not in fields
        and bytes(fields.get("offset", _ABSENT)) == b"%d" % offset
        and _is_text(fields.get(named_by, _ABSENT))
        and _is_text(fields.get(PIECE, _ABSENT))
        and _has_each_name_once(payload, fields)
    )
    if not is_delta:
        return None
    piece = bytes(fields[PIECE])[1:-1]
    alike = {name: value for name, value in fields.items() if name not in OF_THE_LAST and name != PIECE}
    return Delta(offset, piece, alike, payload, _frame_of(payload, piece))


def _is_text(value: Raw) -> bool:
    """True if the value is a string without a lone surrogate."""
    try:
        _check_text(value)
    except msgspec.DecodeError:
        return False
    return True


def _has_each_name_once(payload: bytes, fields: dict[str, Raw]) -> bool:
    """The decoder keeps one value of each name. There is one colon behind every name: if no other colons are left than
    those inside the values that it kept, there is no second value of a name."""
    colons = payload.count(b":")
    return colons == len(fields) or colons == len(fields) + sum(bytes(value).count(b":") for value in fields.values())


def _frame_of(payload: bytes, piece: bytes) -> Frame | None:
    """What stands around the piece of a delta that was read in full. Returns None if it is not as programs mostly write
    it: then there might be another `delta` inside of a value."""
    before, name, rest = payload.partition(_PIECE_BEGINS)
    behind, quote, end = rest[len(piece) :].rpartition(b'"offset"')
    found = _END.fullmatch(quote + end)
    if before.count(b"{") != 1 or not rest.startswith(piece + b'"') or found is None:
        return None
    return Frame(before + name, behind + found[1], found[3] is not None)


def _piece_in(payload: bytes, offset: int, frame: Frame) -> bytes | None:
    """The piece in a publication that has this frame, and is valid therefore; None if it has another one, or if its
    piece has to be read in full."""
    before, behind = frame.before, b"%b%d" % (frame.behind, offset)
    end = payload.rfind(behind)
    if end < len(before) or not payload.startswith(before):
        return None
    rest = payload[end + len(behind) :]
    if frame.has_time:
        if not (rest.startswith(_TIME) and rest[-1:] == b"}" and rest[len(_TIME) : -1].isdigit()):
            return None
    elif rest != b"}":
        return None
    piece = payload[len(before) : end]
    if piece.translate(None, _NOT_PLAIN) != piece or not (piece.isascii() or is_utf8(piece)):
        return None
    return piece


def joined_bytes(first: Delta, last: Delta, pieces_bytes: int) -> int:
    """The most bytes that `joined` makes of deltas whose pieces have `pieces_bytes` bytes together. It is the exact
    number, unless the last one has white space between its fields."""
    around = len(last.payload) - len(last.piece)
    return around + pieces_bytes + _FIRST_OFFSET_BYTES + len(str(first.offset))


def joined(first: Delta, last: Delta, pieces: Sequence[bytes]) -> bytes:
    """One publication for the deltas from `first` to `last`, with the fields of the last one. It says which offsets it
    stands for."""
    written: list[bytes] = []
    for name, value in _read(last.payload).items():
        if name == "offset":
            written.append(b'"first_offset":%d' % first.offset)
        text = b'"%b"' % b"".join(pieces) if name == PIECE else bytes(value)
        written.append(b"%b:%b" % (_write(name), text))
    return b"{%b}" % b",".join(written)
