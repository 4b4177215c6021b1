"""Writes lines of text to a descriptor. `put` never waits, whatever happens to the reader.

A thread writes all lines of a burst with one system call. If nobody reads the pipe, the queue fills. A line that does
not fit is lost and counted, and so is a line that a full disk does not take. docs/decisions/0018-log-lines.md says why
this is not the `QueueHandler` of the standard library.
"""

import os
import select
import threading
from typing import Final

from websocket_handler.telemetry.counters import Counters

QUEUE_BYTES_MAX: Final = 4_194_304
"""How many bytes may wait to be written: some twenty thousand lines."""
GATHER_S: Final = 0.02
"""How long the first line of a burst waits for the others, so that the thread wakes up once for all of them."""
STOP_TIMEOUT_S: Final = 2.0
"""How long `stop` waits for a reader."""


class LineWriter:
    """Writes lines until `stop`. Every thread may call `put`."""

    def __init__(self, descriptor: int, counters: Counters) -> None:
        self._descriptor = descriptor
        self._counters = counters
        self._lines: list[bytes] = []
        self._bytes = 0
        self._is_torn = False
        """True if the last write ended in the middle of a line."""
        self._lock = threading.Lock()
        self._filled = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Queue a line, given without its line feed. A line that does not fit is lost and counted."""
        data = line.encode("ascii", "backslashreplace") + b"\n"
        with self._lock:
            if self._bytes + len(data) > QUEUE_BYTES_MAX:
                self._counters.log_records_dropped += 1
                return
            self._bytes += len(data)
            self._lines.append(data)
            is_first = len(self._lines) == 1
        if is_first:
            self._filled.set()

    def count_lost(self, count: int = 1) -> None:
        """Count lines that will never be written."""
        with self._lock:
            self._counters.log_records_dropped += count

    def stop(self) -> None:
        """Write what is left, for at most `STOP_TIMEOUT_S`. A second call changes nothing."""
        self._ending.set()
        self._filled.set()
        self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        while True:
            self._filled.wait()
            self._ending.wait(GATHER_S)
            self._filled.clear()
            with self._lock:
                lines, self._lines = self._lines, []
            self._write(lines)
            with self._lock:
                self._bytes -= sum(map(len, lines))
                if self._ending.is_set() and not self._lines:
                    return

    def _write(self, lines: list[bytes]) -> None:
        data = b"".join(lines)
        if self._is_torn:
            data = b"\n" + data  # a line that was cut stays a line of its own
        written = 0
        try:
            while written < len(data):
                try:
                    written += os.write(self._descriptor, memoryview(data)[written:])
                except BlockingIOError:  # another process shares the descriptor and made it non-blocking
                    self._wait_for_room()
        except OSError:
            ends = data.count(b"\n", 0, written) - (self._is_torn and written > 0)
            self.count_lost(len(lines) - ends)
        if written:
            self._is_torn = data[written - 1] != 0x0A

    def _wait_for_room(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        poll.poll()
