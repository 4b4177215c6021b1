"""How updates look on a terminal and in a pipe: one line each."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from typing import Any, Final, TextIO

import msgspec

from websocket_handler.cli import NO_COLOR
from websocket_handler.cli.client.place import Position

TEXT_MAX: Final = 200
_OWN: Final = frozenset({"project_id", "offset", "published_at", "type", "producer", "sequence", "task_id", "agent"})
"""Fields that the line has elsewhere, or that are for programs."""
_COLOURS: Final = {"pm": "35", "dev": "36", "qa": "33", "ops": "32"}


class Printer:
    """Writes updates to `stream`. With `is_json` each line is the update's exact text."""

    def __init__(self, project_id: str, *, is_json: bool, stream: TextIO | None = None) -> None:
        self._project_id = project_id
        self._is_json = is_json
        self._stream = stream or sys.stdout
        plain = NO_COLOR in os.environ or os.environ.get("TERM") == "dumb"
        self._is_coloured = self._stream.isatty() and not plain

    def show(self, text: str, message: dict[str, Any], position: Position) -> None:
        """Write an update, at once."""
        line = text if self._is_json else self._line(message, position)
        self._stream.write(f"{line}\n")
        self._stream.flush()

    def _line(self, message: dict[str, Any], position: Position) -> str:
        kind = _one_line(str(message.get("type", "-")))
        where = f"{self._project_id}@{position.epoch}:{position.offset}"
        return f"{_clock(message.get('published_at'))}  {where}  {self._coloured(kind)}  {_text_of(message)}"

    def _coloured(self, kind: str) -> str:
        colour = _COLOURS.get(kind.partition("_")[0])
        return f"\x1b[{colour}m{kind}\x1b[0m" if colour and self._is_coloured else kind


def notice(text: str) -> None:
    """Tell a person what is no data."""
    sys.stderr.write(f"-- {text}\n")
    sys.stderr.flush()


def _clock(published_at: object) -> str:
    """The time of day on this machine."""
    if not isinstance(published_at, int) or isinstance(published_at, bool):
        return "--:--:--"
    try:
        return f"{datetime.fromtimestamp(published_at / 1000):%H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return "--:--:--"


def _text_of(message: dict[str, Any]) -> str:
    text = message.get("text")
    if not isinstance(text, str):
        rest = {name: value for name, value in message.items() if name not in _OWN}
        text = msgspec.json.encode(rest).decode()
    text = _one_line(text)
    return text if len(text) <= TEXT_MAX else f"{text[: TEXT_MAX - 1]}…"


def _one_line(text: str) -> str:
    """What a publisher wrote moves no cursor and hides no line."""
    return "".join(character if character.isprintable() else " " for character in text)
