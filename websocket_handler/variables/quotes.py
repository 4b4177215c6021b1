"""PURE: what stands around the value of a variable and is no part of it."""

from __future__ import annotations

from typing import Final

_QUOTES: Final = ("'", '"')


def clean(text: str) -> str:
    """The text without the white space and the quotes around it. `docker run --env-file` leaves quotes in the value. In
    a list, each entry may have its own quotes."""
    text = text.strip()
    entries = [entry.strip() for entry in text.split(",")]
    if len(entries) > 1 and all(_is_quoted(entry) for entry in entries if entry):
        return ",".join(entry[1:-1].strip() for entry in entries)
    return text[1:-1].strip() if _is_quoted(text) else text


def _is_quoted(text: str) -> bool:
    """True if one pair of quotes encloses the text. If there are more quotes of the same kind inside, they belong to
    it."""
    return len(text) > 1 and text[0] in _QUOTES and text[-1] == text[0] and text[0] not in text[1:-1]
