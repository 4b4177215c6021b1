"""The measurement behind docs/decisions/0018: our log lines against `QueueHandler` and `QueueListener` of the standard
library, through a pipe that another process reads. Run: python -m bench.log_lines"""

import logging
import os
import queue
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler, QueueListener

from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.log import EventLog, json_style, start_logging

ROUNDS = 7
QUEUE_LINES_MAX = 20_000
FIELDS: dict[str, object] = {
    "connection_id": "c-0123456789abcdef",
    "close_code": 1000,
    "duration_s": 12.345,
    "commands": 17,
    "projects": 2,
}
Emit = Callable[[], None]
Stop = Callable[[], None]


class Line(logging.Formatter):
    """A record as one line of JSON, as ours is."""

    def __init__(self) -> None:
        super().__init__()
        self._line = json_style("n-1")

    def format(self, record: logging.LogRecord) -> str:
        return self._line(record.created, record.levelno, record.msg, record.__dict__["fields"])


class LineHandler(QueueHandler):
    """Hands over the line only: no copy of the record."""

    def prepare(self, record: logging.LogRecord) -> str:
        return self.format(record)


class LineListener(QueueListener):
    """Writes each line with one system call: no second formatting."""

    def __init__(self, lines: "queue.Queue[str]", descriptor: int) -> None:
        super().__init__(lines)
        self._descriptor = descriptor

    def handle(self, record: object) -> None:
        os.write(self._descriptor, str(record).encode("ascii") + b"\n")


def ours(descriptor: int) -> tuple[Emit, Stop]:
    stop = start_logging("n-1", "INFO", "json", Counters(), descriptor)
    log = EventLog()
    return lambda: log.emit("connection.closed", **FIELDS), stop


def standard(descriptor: int) -> tuple[Emit, Stop]:
    """The parts as they come, with our line as the format."""
    records: queue.Queue[logging.LogRecord] = queue.Queue(QUEUE_LINES_MAX)
    handler = QueueHandler(records)
    listener = QueueListener(records, logging.StreamHandler(os.fdopen(descriptor, "w", closefd=False)))
    return _through(handler, listener)


def standard_lines(descriptor: int) -> tuple[Emit, Stop]:
    """The same with two methods replaced, so that only the line crosses the queue."""
    lines: queue.Queue[str] = queue.Queue(QUEUE_LINES_MAX)
    return _through(LineHandler(lines), LineListener(lines, descriptor))


def _through(handler: QueueHandler, listener: QueueListener) -> tuple[Emit, Stop]:
    handler.setFormatter(Line())
    logger = logging.getLogger("bench")
    logger.propagate, logger.handlers = False, [handler]
    logger.setLevel(logging.INFO)
    listener.start()
    return lambda: logger.info("connection.closed", extra={"fields": FIELDS}), listener.stop


WAYS = {"ours": ours, "standard": standard, "standard, lines only": standard_lines}


@contextmanager
def reader() -> Iterator[int]:
    """A pipe with somebody who reads it."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        yield process.stdin.fileno()


def cost(way: Callable[[int], tuple[Emit, Stop]], bursts: int, lines: int, pause_s: float) -> tuple[float, float]:
    """Microseconds of CPU for one line: of the thread that logs, and of the whole process."""
    with reader() as descriptor:
        emit, stop = way(descriptor)
        in_thread, in_process = 0.0, time.process_time()
        for _ in range(bursts):
            started = time.thread_time()
            for _ in range(lines):
                emit()
            in_thread += time.thread_time() - started
            time.sleep(pause_s)
        stop()
        in_process = time.process_time() - in_process
    return in_thread / bursts / lines * 1e6, in_process / bursts / lines * 1e6


LOADS = {"200 lines at once, every 25 ms": (40, 200, 0.025), "one line every 2 ms": (1000, 1, 0.002)}


def main() -> None:
    print(f"{sys.version.split()[0]}, {os.cpu_count()} cores; microseconds of CPU per line, medians of {ROUNDS} rounds")
    for load, (bursts, lines, pause_s) in LOADS.items():
        rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
        for _ in range(ROUNDS):
            for name, way in WAYS.items():
                rounds[name].append(cost(way, bursts, lines, pause_s))
        print(load)
        for name, costs in rounds.items():
            in_thread, in_process = (statistics.median(column) for column in zip(*costs, strict=True))
            print(f"  {name:22} thread that logs {in_thread:7.2f}   process {in_process:7.2f}")


if __name__ == "__main__":
    main()
