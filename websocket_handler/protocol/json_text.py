"""Checks of JSON text that the typed decoder leaves out: nesting, duplicate keys, constants that are not JSON.

RFC 8259 section 4 calls an object with duplicate names unpredictable. Two readers of one message must never see two
different things, so the gateway refuses duplicate names.
"""

from array import array
from itertools import accumulate
from json import JSONDecodeError, JSONDecoder
from typing import Final, NoReturn

from msgspec import Struct

from websocket_handler.protocol import encodings
from websocket_handler.protocol.codes import CommandError, ErrorCode

Pairs = tuple[tuple[str, object], ...]
"""The fields of a JSON object in their order, with duplicates."""
NESTING_MAX: Final = 256
"""How many arrays and objects may be open at once in one text.

No parser sees a text that is nested deeper: the limits of the parsers differ between versions of Python, and on 3.13
a stack of 1 MiB is full before they are reached (docs/decisions/0002-json-library.md).
"""
_ALL_BUT_BRACKETS_AND_QUOTES: Final = bytes(set(range(256)) - set(b'[{]}"'))
_BRACKET_TO_STEP: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
"""An opening bracket goes one level down: 1. A closing one goes one level up: -1 as a signed byte."""


def check_depth(text: bytes) -> None:
    """Raises CommandError with `too_deep` if more than `NESTING_MAX` arrays and objects are open at once.

    Brackets inside strings do not count. `text` need not be valid JSON.
    """
    if len(text) <= NESTING_MAX or text.count(b"[") + text.count(b"{") <= NESTING_MAX:
        return  # too few brackets in all: true of nearly every text
    if _depth(text) > NESTING_MAX:
        raise too_deep()


def _depth(text: bytes) -> int:
    """The greatest number of arrays and objects that are open at once. Each line is one pass of compiled code."""
    if b"\\" in text:
        text = text.replace(rb"\\", b"").replace(rb"\"", b"")  # no backslash that is left escapes a quote
    marks = text.translate(None, _ALL_BUT_BRACKETS_AND_QUOTES)
    marks = marks.replace(b'""', b"")  # an empty pair of quotes changes nothing about what is inside a string
    outside_strings = b"".join(marks.split(b'"')[::2])
    return max(accumulate(array("b", outside_strings.translate(_BRACKET_TO_STEP))), default=0)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> int | float:
    """An integer; or a float if it has so many digits that exact arithmetic would take long."""
    return int(digits) if len(digits) <= 20 else float(digits)


_decoder = JSONDecoder(object_pairs_hook=tuple, parse_constant=_refuse_constant, parse_int=_integer)


def parse(text: bytes) -> object:
    """The JSON value in `text`. Objects are tuples of pairs in their order, with duplicates.

    Raises CommandError: `invalid_json`, `unsupported_encoding` or `too_deep`.
    """
    check_depth(text)
    return parse_shallow(text)


def parse_shallow(text: bytes) -> object:
    """The same for a text whose depth was checked. Raises CommandError: `invalid_json` or `unsupported_encoding`."""
    try:
        value: object = _decoder.decode(text.decode())
    except JSONDecodeError as error:
        raise encodings.not_json(text, f"{error.msg} at {error.pos}") from None
    except UnicodeDecodeError:
        raise encodings.not_utf8(text) from None
    except ValueError as error:
        raise _invalid(str(error)) from None
    return value


def _invalid(reason: str) -> CommandError:
    return CommandError(ErrorCode.INVALID_JSON, f"Invalid JSON: {reason}")


def too_deep() -> CommandError:
    """The answer to a text that is nested deeper than `NESTING_MAX`."""
    return CommandError(ErrorCode.TOO_DEEP, "nested too deeply")


class JsonObject(Struct, frozen=True, gc=False):
    """A JSON object that was checked: its own bytes, without the white space around them, and its fields."""

    body: bytes
    known_pairs: Pairs | None = None
    """Its fields, if they were read already."""
    is_plain: bool = False
    """True if no two fields have the same name, and no name but `project_id` means anything to the gateway
    (`plain.py`)."""
    named_project: str | None = None
    """The project that a plain object names; None if it names none."""

    @property
    def pairs(self) -> Pairs:
        """Its fields in their order. Nested objects are tuples of pairs as well."""
        if self.known_pairs is not None:
            return self.known_pairs
        value = parse(self.body)
        assert isinstance(value, tuple), "its maker has checked that it is an object"
        return value

    def fields(self) -> dict[str, object]:
        """The fields by name. Raises CommandError with `duplicate_key`."""
        return unique(self.pairs)

    def read_in_full(self) -> "JsonObject":
        """The same object with its fields at hand, for somebody who looks at them several times."""
        return self if self.known_pairs is not None else JsonObject(self.body, self.pairs)


def not_an_object() -> CommandError:
    """The answer to JSON that is no object."""
    return CommandError(ErrorCode.NOT_AN_OBJECT, "Invalid JSON: the message must be an object")


def refused_by_second_reader(error: Exception) -> CommandError:
    """The answer to a text that `parse` takes and msgspec does not.

    msgspec 0.22 says "Input data was truncated" of a complete text in which an escaped surrogate stands alone near the
    end; a publisher who reads that looks for lost bytes (findings/msgspec-calls-a-complete-text-truncated.sh).
    """
    reason = str(error)
    if any(word in reason for word in ("truncated", "surrogate", "hex escape")):
        reason = "an escaped UTF-16 surrogate stands without its partner"
    return _invalid(reason)


def parse_object(text: bytes) -> dict[str, object]:
    """The top-level object in `text` as a dict; nested objects stay tuples of pairs.

    Raises CommandError with `invalid_json`, `too_deep`, `not_an_object` or `duplicate_key`.
    """
    value = parse(text)
    if not isinstance(value, tuple):
        raise not_an_object()
    return unique(value)


def unique(pairs: Pairs) -> dict[str, object]:
    """The pairs of one object as a dict. Raises CommandError with `duplicate_key`."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise CommandError(ErrorCode.DUPLICATE_KEY, "the same key stands twice in one object")
    return fields
