"""Deltas: publications that each carry the next piece of one text. Consecutive ones can be sent as one publication.

The work is done on the bytes that subscribers get: the pieces are joined as they are written, and no text is encoded
again. A publication that leaves any doubt is no delta, and is sent as it is.
"""

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
_NO_TYPE: Final = Raw(b"")
_read: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_check_text: Final = msgspec.json.Decoder(str).decode
_write: Final = msgspec.json.Encoder().encode


class Delta(Struct, frozen=True, gc=False):
    """One delta, as it stands in a project's log."""

    offset: int
    piece: bytes
    """What it adds to the text, as JSON writes it, without the quotes."""
    alike: dict[str, Raw]
    """The fields that the deltas of one text have in common."""
    fields: dict[str, Raw]
    """All its fields, in their order."""
    rest_bytes: int
    """The size of the publication without its piece."""

    def continues(self, earlier: "Delta") -> bool:
        """True if this one follows right after `earlier`, and continues the same text."""
        return self.offset == earlier.offset + 1 and self.alike == earlier.alike


def read_delta(payload: bytes, offset: int) -> Delta | None:
    """The delta in a publication that stands at `offset`. Returns None if it is none, if a name stands there twice, if
    it has a `first_offset` of its own, or if anything is wrong with it."""
    if b'"delta"' not in payload or not is_utf8(payload):
        return None
    try:
        fields = _read(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    names_text = NAMED_BY.get(bytes(fields.get("type", _NO_TYPE)))
    if names_text is None or FIRST_OFFSET in fields or not _has_each_name_once(payload, fields):
        return None
    if not _is_text(fields.get(names_text)) or bytes(fields.get("offset", _NO_TYPE)) != b"%d" % offset:
        return None
    piece = fields.get(PIECE)
    if piece is None or not _is_text(piece):
        return None
    alike = {name: value for name, value in fields.items() if name not in OF_THE_LAST and name != PIECE}
    written = bytes(piece)[1:-1]
    return Delta(offset, written, alike, fields, len(payload) - len(written))


def _is_text(value: Raw | None) -> bool:
    """True if the value is a string without a lone surrogate."""
    if value is None:
        return False
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


def joined_bytes(first: Delta, last: Delta, pieces_bytes: int) -> int:
    """The most bytes that `joined` makes of deltas whose pieces have `pieces_bytes` bytes together. It is the exact
    number, unless the last one has white space between its fields."""
    return last.rest_bytes + pieces_bytes + _FIRST_OFFSET_BYTES + len(str(first.offset))


def joined(first: Delta, last: Delta, pieces: Sequence[bytes]) -> bytes:
    """One publication for the deltas from `first` to `last`, with the fields of the last one. It says which offsets it
    stands for."""
    written: list[bytes] = []
    for name, value in last.fields.items():
        if name == "offset":
            written.append(b'"first_offset":%d' % first.offset)
        text = b'"%b"' % b"".join(pieces) if name == PIECE else bytes(value)
        written.append(b"%b:%b" % (_write(name), text))
    return b"{%b}" % b",".join(written)
