"""Where a reader begins in a project's log, as somebody types it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from websocket_handler.protocol.names import PROJECT_ID

_POSITION: Final = re.compile(r"([A-Za-z0-9_-]{1,64}):([0-9]{1,16})")
_AGE: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(s|m|h|d)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
START: Final = "start"


@dataclass(frozen=True, slots=True)
class Position:
    """It stands behind the publication with this offset."""

    epoch: str
    offset: int


@dataclass(frozen=True, slots=True)
class Age:
    """So many seconds ago."""

    seconds: float


Begin = Position | Age | str | None
"""A position, an age, `start` for the oldest publication that is retained, or None for what comes from now on."""


def read_project(text: str) -> tuple[str, Position | None]:
    """`PROJECT` or `PROJECT@EPOCH:OFFSET`. Raises ValueError."""
    project_id, at, rest = text.partition("@")
    return read_project_id(project_id), read_position(rest) if at else None


def read_project_id(text: str) -> str:
    """Raises ValueError unless it is the id of a project."""
    if PROJECT_ID.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no project id")
    return text


def read_position(text: str) -> Position:
    """`EPOCH:OFFSET`. Raises ValueError."""
    match = _POSITION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no position EPOCH:OFFSET")
    return Position(match[1], int(match[2]))


def read_since(text: str) -> Position | Age | str:
    """`EPOCH:OFFSET`, an age such as `10m`, or `start`. Raises ValueError."""
    if text == START:
        return START
    if match := _AGE.fullmatch(text):
        return Age(float(match[1]) * _SECONDS[match[2]])
    try:
        return read_position(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is neither {START}, nor an age such as 30s, 10m, 2h or 1d, nor EPOCH:OFFSET"
        ) from None
