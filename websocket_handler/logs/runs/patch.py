"""JSON Patch (RFC 6902) on values that may have a maximum size. What a patch does not touch is not copied."""

from typing import Any, Final

import msgspec

from websocket_handler.logs.runs.vocabulary import Fields
from websocket_handler.protocol import json_text
from websocket_handler.protocol.codes import CommandError

_encode: Final = msgspec.json.encode


class PatchFailed(Exception):
    """The patch does not fit the document. The document is as it was."""


class PatchTooLarge(Exception):
    """The document would become larger, or nested deeper, than it may be. The document is as it was."""


def apply_patch(document: Any, operations: list[Fields], bytes_max: int) -> Any:
    """The document after the patch. The one that is given stays as it is, and both share what did not change.

    Raises PatchFailed, and PatchTooLarge if the result has more than `bytes_max` bytes as JSON.
    """
    spare = bytes_max * 2
    try:
        for operation in operations:
            # A copy of a copy of a copy makes gigabytes of a small patch, so what is inserted counts at once.
            spare -= _inserted_bytes(document, operation)
            if spare < 0:
                raise PatchTooLarge
            document = _apply(document, operation)
        fits(document, bytes_max)
    except RecursionError:
        raise PatchTooLarge from None
    return document


def fits(document: Any, bytes_max: int) -> int:
    """The document's length as JSON. Raises PatchTooLarge if it is too long, or nested too deeply."""
    encoded = _encode(document)
    if len(encoded) > bytes_max:
        raise PatchTooLarge
    try:
        json_text.check_depth(encoded)
    except CommandError:
        raise PatchTooLarge from None
    return len(encoded)


def _inserted_bytes(document: Any, operation: Fields) -> int:
    if operation["op"] == "copy":
        return len(_encode(_look_up(document, _tokens(operation["from"]))))
    return len(_encode(operation["value"])) if operation["op"] in ("add", "replace") else 0


def _apply(document: Any, operation: Fields) -> Any:
    name, path = operation["op"], _tokens(operation["path"])
    match name:
        case "add":
            document = _put(document, path, operation["value"], inserts=True)
        case "replace":
            _look_up(document, path)
            document = _put(document, path, operation["value"], inserts=False)
        case "remove":
            document = _without(document, path)
        case "test":
            if not _is_equal(_look_up(document, path), operation["value"]):
                raise PatchFailed("test found another value")
        case "copy":
            document = _put(document, path, _look_up(document, _tokens(operation["from"])), inserts=True)
        case _:  # move
            document = _moved(document, _tokens(operation["from"]), path)
    return document


def _moved(document: Any, source: list[str], path: list[str]) -> Any:
    value = _look_up(document, source)
    if path == source:
        return document
    if path[: len(source)] == source:
        raise PatchFailed("a value cannot move into itself")
    return _put(_without(document, source), path, value, inserts=True)


def _tokens(pointer: str) -> list[str]:
    """The parts of a JSON Pointer (RFC 6901)."""
    if not pointer:
        return []
    if pointer[0] != "/":
        raise PatchFailed("a path begins with a slash")
    if "~" not in pointer:
        return pointer[1:].split("/")
    if pointer.replace("~0", "").replace("~1", "").count("~"):
        raise PatchFailed("a ~ in a path is followed by 0 or 1")
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/")]


def _index(array: list[Any], step: str, *, one_more: bool) -> int:
    if one_more and step == "-":
        return len(array)
    if not (step.isascii() and step.isdigit()) or (step[0] == "0" and step != "0") or len(step) > 9:
        raise PatchFailed("an array has a number as its index")
    index = int(step)
    if index >= len(array) + one_more:
        raise PatchFailed("there is no such index")
    return index


def _look_up(document: Any, path: list[str]) -> Any:
    for token in path:
        document = _child(document, token)
    return document


def _child(container: Any, token: str) -> Any:
    if type(container) is dict:
        if token not in container:
            raise PatchFailed("there is no such member")
        return container[token]
    if type(container) is list:
        return container[_index(container, token, one_more=False)]
    raise PatchFailed("the path goes through a value that has no members")


def _put(container: Any, path: list[str], value: Any, *, inserts: bool) -> Any:
    """A copy of the containers along the path, with the value at its end."""
    if not path:
        return value
    token, rest = path[0], path[1:]
    changed = _put(_child(container, token), rest, value, inserts=inserts) if rest else value
    if type(container) is dict:
        return {**container, token: changed}
    if type(container) is not list:
        raise PatchFailed("the path goes through a value that has no members")
    index = _index(container, token, one_more=inserts and not rest)
    return [*container[:index], changed, *container[index + (not inserts or bool(rest)) :]]


def _without(container: Any, path: list[str]) -> Any:
    """A copy of the containers along the path, without the value at its end."""
    if not path:
        return None  # as fast-json-patch has it, the library of the AG-UI clients
    token, rest = path[0], path[1:]
    child = _child(container, token)
    if rest:
        return _put(container, [token], _without(child, rest), inserts=False)
    if type(container) is dict:
        return {name: value for name, value in container.items() if name != token}
    index = _index(container, token, one_more=False)
    return container[:index] + container[index + 1 :]


def _is_equal(one: Any, other: Any) -> bool:
    """JSON equality: true is not 1, and 1 is 1.0."""
    if type(one) is dict and type(other) is dict:
        return one.keys() == other.keys() and all(_is_equal(value, other[name]) for name, value in one.items())
    if type(one) is list and type(other) is list:
        return len(one) == len(other) and all(map(_is_equal, one, other))
    if type(one) is bool or type(other) is bool:
        return one is other
    return bool(one == other)
