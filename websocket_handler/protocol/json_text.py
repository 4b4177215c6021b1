"""JSON text checks that the typed decoder leaves out: duplicate keys, depth, constants that are not JSON.

RFC 8259 section 4 calls duplicate names unpredictable; two readers of one message must never see two
different things, so they are refused.
"""

from json import JSONDecodeError, JSONDecoder
from typing import NoReturn

from websocket_handler.protocol.codes import CommandError, ErrorCode

Pairs = tuple[tuple[str, object], ...]
"""The fields of a JSON object in their order, duplicates kept."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> int | float:
    """An integer, or a float where the digits are too many to be worth exact arithmetic."""
    return int(digits) if len(digits) <= 20 else float(digits)


_decoder = JSONDecoder(object_pairs_hook=tuple, parse_constant=_refuse_constant, parse_int=_integer)


def parse(text: bytes) -> object:
    """The JSON value in `text`, objects as tuples of pairs in their order, duplicates kept.

    Raises CommandError with `invalid_json` or `too_deep`.
    """
    try:
        value: object = _decoder.decode(text.decode())
    except JSONDecodeError as error:
        raise CommandError(ErrorCode.INVALID_JSON, f"Invalid JSON: {error.msg} at {error.pos}") from None
    except UnicodeDecodeError:
        raise CommandError(ErrorCode.INVALID_JSON, "Invalid JSON: not UTF-8") from None
    except ValueError as error:
        raise CommandError(ErrorCode.INVALID_JSON, f"Invalid JSON: {error}") from None
    except RecursionError:
        raise too_deep() from None
    return value


def too_deep() -> CommandError:
    """The answer to nesting beyond what the parser follows."""
    return CommandError(ErrorCode.TOO_DEEP, "nested too deeply")


class JsonObject:
    """A JSON object that was read once: its own bytes, without white space around them, and its fields."""

    __slots__ = ("body", "pairs")

    def __init__(self, body: bytes, pairs: Pairs) -> None:
        self.body = body
        self.pairs = pairs
        """Nested objects are tuples of pairs as well."""

    def fields(self) -> dict[str, object]:
        """The fields by name. Raises CommandError with `duplicate_key`."""
        return unique(self.pairs)


def not_an_object() -> CommandError:
    """The answer to JSON that is no object."""
    return CommandError(ErrorCode.NOT_AN_OBJECT, "Invalid JSON: the message must be an object")


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
