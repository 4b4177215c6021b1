"""Looks for names in the bytes of publications before anything in them is read.

JSON lets a publisher write any letter as an escape: `"run\\u0049d"` is `"runId"`. So bytes without a name may have it
all the same, if they have such an escape. Then they are read.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

ESCAPE: Final = b"\\u"


class _Typed(Struct):
    type: Any = None


_read: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_read_type: Final = msgspec.json.Decoder(_Typed).decode


def may_have(quoted: bytes, data: bytes) -> bool:
    """False if a JSON text certainly has no string that reads `quoted`: letters, digits and `_` between quotes."""
    return quoted in data or ESCAPE in data


def has_field(quoted: bytes, data: bytes) -> bool:
    """True if an object has a field of this name, however it is written, or the name in quotes anywhere else. `data` is
    the object, or its bytes up to the value of its last field."""
    if quoted in data:
        return True
    return ESCAPE in data and quoted[1:-1].decode() in _fields(data)


def has_type(begin: bytes, data: bytes) -> bool:
    """True if the `type` of an object begins like this, however it is written, or if this stands anywhere else in it.
    `begin` is a quote, and letters, digits and `_`."""
    if begin in data:
        return True
    return ESCAPE in data and _type(data).startswith(begin[1:].decode())


def _fields(data: bytes) -> dict[str, Raw]:
    try:
        return _read(data if data.endswith(b"}") else data + b"0}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def _type(data: bytes) -> str:
    try:
        found = _read_type(data).type
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return found if isinstance(found, str) else ""
