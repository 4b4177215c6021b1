"""PURE: makes one value of the text of an environment variable, or says why it cannot."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from math import isfinite
from typing import Any, Final, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

NUMBER_MAX: Final = 2**53 - 1
"""The largest whole number that every reader of JSON keeps exactly."""
_SAME_WORD: Final = {
    **dict.fromkeys(("on", "true", "yes", "1", "enabled", "y", "t"), ("on", "1")),
    **dict.fromkeys(("off", "false", "no", "0", "disabled", "n", "f"), ("off", "0")),
    "warn": ("warning",),
}
"""What people write for a word, and the words that it may stand for."""
_SWITCHES: Final = ({"on", "off"}, {"0", "1"})
_KINDS: Final = {
    "s": "number of seconds",
    "ms": "number of milliseconds",
    "bytes": "number of bytes",
    "1/s": "number per second",
    "bytes/s": "number of bytes per second",
}
_WITH_UNIT: Final = re.compile(r"([0-9][0-9_ ',]*(?:\.[0-9]+)?(?:[eE]\+?[0-9]{1,2})?)\s*([A-Za-z]*)")
_WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
"""A whole number as people write a port or a limit: without a point and an exponent."""
_THOUSANDS: Final = re.compile(r"(?<=[0-9])[_ ',](?=[0-9]{3}(?:[^0-9]|$))")
_PLAIN: Final[Mapping[str, float]] = {"": 1}
_FACTORS: Final[Mapping[str, Mapping[str, float]]] = {
    "s": {"": 1, "ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400},
    "ms": {"": 1, "ms": 1, "s": 1000, "sec": 1000},
    "bytes": {"": 1, "b": 1, "k": 2**10, "kb": 2**10, "kib": 2**10, "m": 2**20, "mb": 2**20, "mib": 2**20}
    | dict.fromkeys(("g", "gb", "gib"), 2**30),
}


def convert(text: str, hint: Any) -> object:
    """The value of a cleaned text. `hint` is the annotated type of the setting. Raises ValueError; its text continues a
    sentence that begins with the name of the variable."""
    if choices(hint):
        return _word(text, hint)
    if hint.__origin__ is str:
        is_any_text = "-----BEGIN" in text or (_meta(hint).extra or {}).get("is_secret")
        if not text.isprintable() and not is_any_text:
            raise ValueError("must be printable characters on one line")
        return text
    try:
        value = msgspec.convert(text, hint, strict=False)
    except msgspec.ValidationError:
        raise ValueError(f"must be {allowed(hint)}") from None
    if hint.__origin__ is int and not _WHOLE.fullmatch(text):
        raise ValueError(f"must be {allowed(hint)}")
    if not isfinite(value):
        raise ValueError(f"must be {allowed(hint)}; it must be a finite number")
    if value > NUMBER_MAX:
        raise ValueError(f"must be {allowed(hint)}, and at most {NUMBER_MAX}")
    return value


def choices(hint: Any) -> tuple[str, ...]:
    """The words among which a setting chooses; none if it takes other values, too."""
    return tuple(get_args(hint.__origin__)) if get_origin(hint.__origin__) is Literal else ()


def _word(text: str, hint: Any) -> str:
    """Find the word that was meant. Case does not matter, and a switch understands every usual word for on and off."""
    words = choices(hint)
    found = {word.casefold(): word for word in words}
    meant = (text.casefold(), *_SAME_WORD.get(text.casefold(), ()))
    is_switch = set(words) in _SWITCHES
    for word in meant:
        # Only a switch takes 1 for on: another setting with the word `off` does not say what its 1 would be.
        if word in found and (word == meant[0] or is_switch or word in ("off", "warning")):
            return found[word]
    raise ValueError(f"must be {allowed(hint)}")


def allowed(hint: Any) -> str:
    """What a setting accepts, in words that continue `must be`."""
    words = [word for word in choices(hint) if word]
    if words:
        return f"one of {', '.join(words)}"
    if hint.__origin__ is str:
        return "text"
    meta = _meta(hint)
    kind = _KINDS.get(_unit(meta), "number")
    whole = "a whole" if hint.__origin__ is int else "a"
    if meta.le is None:
        return f"{whole} {kind}, at least {meta.ge}" if meta.ge is not None else f"{whole} {kind}"
    return f"{whole} {kind} from {meta.ge} to {meta.le}"


def guess(text: str, hint: Any) -> str:
    """A value that the writer of a wrong text may have meant, and that is allowed. Empty if nobody can guess it."""
    words = {word.casefold(): word for word in choices(hint) if word}
    if words:
        return next((words[near] for near in get_close_matches(text.casefold(), words, n=1)), "")
    if hint.__origin__ is str:
        return ""
    found = _WITH_UNIT.fullmatch(text.removeprefix("+"))
    factors = _FACTORS.get(_unit(_meta(hint)), _PLAIN)
    factor = factors.get(found[2].casefold()) if found else None
    if found is None or factor is None:
        return ""
    try:
        value = float(_THOUSANDS.sub("", found[1].strip()).replace(",", ".")) * factor
        number = f"{value:.0f}" if value.is_integer() else f"{value:.10g}"
        convert(number, hint)
    except ValueError:
        return ""
    return number


def _meta(hint: Any) -> Meta:
    return next(item for item in hint.__metadata__ if isinstance(item, Meta))


def _unit(meta: Meta) -> str:
    return str((meta.extra or {}).get("unit", ""))
