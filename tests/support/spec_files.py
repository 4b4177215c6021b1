"""Reads the files in `spec/`, for the tests that compare the code with them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

SPEC = Path(__file__).parents[2] / "spec"
_BASE = (SPEC / "schemas").as_uri() + "/"


def vectors(name: str) -> list[dict[str, Any]]:
    """The vectors in one file."""
    loaded: list[dict[str, Any]] = json.loads((SPEC / "vectors" / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def named(vector: object) -> str:
    """A vector's name, for pytest's ids."""
    return str(vector["name"]) if isinstance(vector, dict) else repr(vector)


def text_of(vector: dict[str, Any]) -> bytes:
    """The text of a vector in `commands-invalid.json`, as a client sends it."""
    if "text" in vector:
        return str(vector["text"]).encode("utf-8", "surrogatepass")
    repeat = vector["text_repeat"]
    return str(repeat["prefix"] + repeat["unit"] * repeat["count"] + repeat["suffix"]).encode()


_REGISTRY: Any = Registry().with_resources(
    (_BASE + path.name, Resource.from_contents(json.loads(path.read_text()), default_specification=DRAFT202012))
    for path in (SPEC / "schemas").glob("*.json")
)


@cache
def _validator(schema: str) -> Any:
    return Draft202012Validator({"$ref": _BASE + schema}, registry=_REGISTRY)


def is_valid(schema: str, text: bytes) -> bool:
    """True if a JSON text has the form of `file.json` or `file.json#/$defs/name`."""
    return allows(schema, json.loads(text))


def allows(schema: str, value: object) -> bool:
    """True if a value has the form of `file.json` or `file.json#/$defs/name`."""
    return bool(_validator(schema).is_valid(value))
