"""What deploy and doctor print: coloured on a terminal, plain anywhere else."""

import os
import sys
from typing import TextIO

from websocket_handler.cli import NO_COLOR

_COLOURS = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "grey": "90"}


class Console:
    """Writes lines to `stream`, in colours only where it is a terminal that has them and `NO_COLOR` is
    not set."""

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
