"""What deploy and doctor print: coloured on a terminal, plain anywhere else, or a JSON object on each line."""

import json
import os
import sys
from typing import Any, Final, TextIO

from websocket_handler.cli import NO_COLOR

STDERR: Final = 2
_COLOURS = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "grey": "90"}


class Console:
    """Writes lines to `stream`, in colours only where it is a terminal that has them and `NO_COLOR` is
    not set."""

    tools_write_to: int | None = None
    """The descriptor that the tools which the command starts get for their output; None for the command's own."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._is_coloured = self._stream.isatty() and NO_COLOR not in os.environ and os.environ.get("TERM") != "dumb"

    def coloured(self, text: str, colour: str) -> str:
        """The text in a colour of `_COLOURS`; unchanged where colours are off."""
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self._is_coloured else text

    def line(self, text: str = "") -> None:
        """Write a line of plain text."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def step(self, text: str) -> None:
        """Write what the command does next."""
        self.line(self.coloured(f"==> {text}", "blue"))

    def good(self, text: str) -> None:
        """Write what is in order."""
        self.line(f"  {self.coloured('ok', 'green')}    {text}")

    def bad(self, text: str) -> None:
        """Write what the reader has to repair."""
        self.line(f"  {self.coloured('FAIL', 'red')}  {text}")

    def unknown(self, text: str) -> None:
        """Write what could not be examined."""
        self.line(f"  {self.coloured('??', 'yellow')}    {text}")

    def note(self, text: str) -> None:
        """Write what the reader should know."""
        self.line(f"  {self.coloured('note', 'yellow')}  {text}")

    def result(self, text: str, **fields: Any) -> None:
        """Write how it ended. `fields` are what a program wants to know of it."""
        self.line(f"\n{text}")


class JsonConsole(Console):
    """Writes an object on each line: `type` is ok, fail, unknown, note, step, line, or result for the last one."""

    tools_write_to = STDERR

    def coloured(self, text: str, colour: str) -> str:
        return text

    def line(self, text: str = "") -> None:
        self._write("line", text=text.strip())

    def step(self, text: str) -> None:
        self._write("step", text=text)

    def good(self, text: str) -> None:
        self._write("ok", text=text)

    def bad(self, text: str) -> None:
        self._write("fail", text=text)

    def unknown(self, text: str) -> None:
        self._write("unknown", text=text)

    def note(self, text: str) -> None:
        self._write("note", text=text)

    def result(self, text: str, **fields: Any) -> None:
        self._write("result", text=text, **fields)

    def _write(self, kind: str, **fields: Any) -> None:
        super().line(json.dumps({"type": kind, **fields}, ensure_ascii=False))


def make_console(*, is_json: bool) -> Console:
    """The console that was asked for."""
    return JsonConsole() if is_json else Console()
