"""Recognizes, in one pass, the objects that nearly all publishers send. Everybody else's are read in full.

An object is plain if its names differ from each other, if the only one that means anything to the gateway is
`project_id`, and if it is written as programs write JSON: without spaces, or with one space behind each colon and
comma.

To find a name that stands twice costs more than everything else that is checked in a publication. Here the length tells
it. The typed decoder keeps one value per name. If there are as many bytes as these names and values need, the text has
nothing else: no second value of a name, no space, no escape in a name.
"""

from typing import Final

import msgspec

from websocket_handler.protocol.json_text import JsonObject
from websocket_handler.protocol.names import is_project_id

PROJECT: Final = "project_id"
MEANINGFUL_NAMES: Final = frozenset({PROJECT, "offset", "epoch", "published_at", "producer", "sequence"})
"""The names of fields that the gateway looks at in a publisher's object."""
_ALL_BUT_PROJECT: Final = MEANINGFUL_NAMES - {PROJECT}
_read: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def is_utf8(text: bytes) -> bool:
    """True if `text` is UTF-8. The typed decoder does not check the values that it passes on."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def read_plain(text: bytes) -> JsonObject | None:
    """The object in `text`, if it is plain; None if the text has to be read in full. The caller has checked how deeply
    it is nested."""
    if not is_utf8(text):
        return None
    try:
        return plain_object(text)
    except msgspec.DecodeError:
        return None


def has_each_name_once(body: bytes) -> bool:
    """True if no name of the object stands twice; False if only the full reading tells. The caller has found out that
    `body` is one JSON object."""
    return _is_complete(body, _read(body))


def plain_object(body: bytes) -> JsonObject | None:
    """The object, if it is plain. The caller has found out that `body` is one JSON object in UTF-8."""
    fields = _read(body)
    if not _is_complete(body, fields):
        return None
    if MEANINGFUL_NAMES.isdisjoint(fields):
        return JsonObject(body, is_plain=True)
    return _naming_its_project(body, fields)


def _is_complete(body: bytes, fields: dict[str, msgspec.Raw]) -> bool:
    """True if the object consists of these fields and nothing else, written as programs write JSON."""
    count = len(fields)
    shortest = 1 + 4 * count + len("".join(fields)) + len(b"".join(fields.values()))
    return len(body) == shortest or (len(body) == shortest + 2 * count - 1 and body == _with_spaces(fields))


def _with_spaces(fields: dict[str, msgspec.Raw]) -> bytes:
    return b"{%b}" % b", ".join([b'"%b": %b' % (name.encode(), value) for name, value in fields.items()])


def _naming_its_project(body: bytes, fields: dict[str, msgspec.Raw]) -> JsonObject | None:
    """The object, if nothing in it but the id of a project means anything to the gateway."""
    if not _ALL_BUT_PROJECT.isdisjoint(fields):
        return None
    written = bytes(fields[PROJECT])
    project_id = written[1:-1].decode()
    if written[:1] != b'"' or not is_project_id(project_id):  # an id has no character that needs an escape
        return None
    return JsonObject(body, is_plain=True, named_project=project_id)
