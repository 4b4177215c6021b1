"""The lines that a process prints, read by a thread while the process runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import IO, Generic, Protocol, TypeVar

from tests.support.patience import PATIENCE_S

Line = TypeVar("Line")
Found = TypeVar("Found")


class Process(Protocol):
    """What is needed of a process: `subprocess.Popen` has it."""

    @property
    def stdout(self) -> IO[str] | None: ...

    def wait(self, timeout: float | None = None) -> int: ...


class ProcessOutput(Generic[Line]):
    """The whole lines that a process has printed up to now. `read` makes something of each.

    A process that is killed while it writes leaves the first part of a line: that is no line, and `read` never sees it.
    """

    def __init__(self, process: Process, read: Callable[[str], Line]) -> None:
        self._process = process
        self._read_line = read
        self._lines: list[Line] = []
        self._is_over = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            for text in self._process.stdout:
                if not text.endswith("\n"):
                    break
                line = self._read_line(text)
                with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify_all()

    @property
    def lines(self) -> list[Line]:
        """What was made of the lines."""
        with self._changed:
            return list(self._lines)

    def wait_for(self, find: Callable[[Sequence[Line]], Found | None], timeout_s: float) -> Found | None:
        """Wait until `find` finds something in the lines. Returns None if the time or the output ends before."""
        with self._changed:
            self._changed.wait_for(lambda: find(self._lines) is not None or self._is_over, timeout_s)
            return find(self._lines)

    def wait_for_exit(self) -> int:
        """Wait for the end of the process, and read its output to the end. Returns its exit code."""
        code = self._process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code
