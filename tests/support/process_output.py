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

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...


class ProcessOutput(Generic[Line]):
    """The whole lines that a process prints. `read` makes something of each.

    While the process runs, the newest lines may not have been read yet. So a test that counts lines, or asserts that
    one is missing, first waits for a line that comes later (`up_to`), or for the end of the process (`lines`).

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
        """What was made of all lines. Raises AssertionError while the process runs, or if its output has no end."""
        assert self._process.poll() is not None, "the process runs, and its newest lines may not have been read"
        self.wait_for_exit()
        return self.lines_so_far

    @property
    def lines_so_far(self) -> list[Line]:
        """What was made of the lines that have been read."""
        with self._changed:
            return list(self._lines)

    def up_to(self, is_last: Callable[[Line], bool], timeout_s: float) -> list[Line] | None:
        """Wait for the first line that `is_last`. Returns it and all lines before it, or None if the time or the output
        ends before."""

        def find(lines: Sequence[Line]) -> list[Line] | None:
            index = next((index for index, line in enumerate(lines) if is_last(line)), None)
            return None if index is None else list(lines[: index + 1])

        return self.wait_for(find, timeout_s)

    def wait_for(self, find: Callable[[Sequence[Line]], Found | None], timeout_s: float) -> Found | None:
        """Wait until `find` finds something in the lines. Returns None if the time or the output ends before."""
        with self._changed:
            self._changed.wait_for(lambda: find(self._lines) is not None or self._is_over, timeout_s)
            return find(self._lines)

    def wait_for_exit(self) -> int:
        """Wait for the end of the process, and read its output to the end. Returns its exit code. Raises AssertionError
        if its output does not end: another process has it, too."""
        code = self._process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        assert self._is_over, "the output goes on after the end of the process"
        return code
