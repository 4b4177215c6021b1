"""Structured logs: one JSON line per event on stdout, or readable text on a terminal.

A line is built from values only, each escaped to ASCII and cut to `VALUE_CHARACTERS_MAX`, so no client can forge
one or flood it. Writing happens in a thread behind a bounded queue: a blocked pipe never blocks the event loop;
what does not fit is counted.
"""

import contextlib
import json
import logging
import queue
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import Final, TextIO

from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.events import EVENTS

VALUE_CHARACTERS_MAX: Final = 1000
QUEUE_RECORDS_MAX: Final = 10_000
STOP_TIMEOUT_S: Final = 2.0
"""How long the end of the process waits for lines that nobody reads."""
_LOGGER: Final = "websocket_handler"
_FIELDS: Final = "fields"


def _shown(value: object) -> object:
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value[:100]]
    text = str(value)
    return text if len(text) <= VALUE_CHARACTERS_MAX else text[:VALUE_CHARACTERS_MAX] + "…"


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """The event of a record; a library's own message becomes the event `library`."""
    fields: dict[str, object] | None = record.__dict__.get(_FIELDS)
    if fields is not None:
        return {"event": record.msg, **fields}
    message: dict[str, object] = {"event": "library", "logger": record.name, "message": record.getMessage()}
    if record.exc_info:
        message["trace"] = "".join(traceback.format_exception(*record.exc_info))[-VALUE_CHARACTERS_MAX:]
    return message


class JsonFormatter(logging.Formatter):
    """One JSON object per line, ASCII only: CloudWatch Logs Insights reads its fields by name."""

    def __init__(self, node_id: str) -> None:
        super().__init__()
        self._node_id = node_id

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "node_id": self._node_id,
        }
        shown = {name: _shown(value) for name, value in _fields(record).items()}
        return json.dumps({**line, **shown}, ensure_ascii=True, allow_nan=False, default=str)


class ConsoleFormatter(logging.Formatter):
    """For a person at a terminal: time, event, fields."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S.%f")[:-3]
        fields = _fields(record)
        event = fields.pop("event")
        shown = " ".join(f"{name}={json.dumps(_shown(value), default=str)}" for name, value in fields.items())
        return f"{time} {record.levelname.lower():7} {event}  {shown}"


class _BoundedHandler(QueueHandler):
    """Hands records to the writing thread, and counts those that do not fit."""

    def __init__(self, records: "queue.Queue[logging.LogRecord | None]", counters: Counters) -> None:
        super().__init__(records)
        self._counters = counters

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record  # the formatter runs in the writing thread, on values that nobody changes

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self._counters.log_records_dropped += 1


class _Listener(QueueListener):
    """Writes records in its thread, and ends in bounded time: also with a full queue or a pipe that nobody reads."""

    def __init__(self, records: "queue.Queue[logging.LogRecord | None]", output: logging.Handler) -> None:
        super().__init__(records, output)
        self._records = records

    def stop(self) -> None:
        if self._thread is None:
            return
        with contextlib.suppress(queue.Full):
            self._records.put(None, timeout=STOP_TIMEOUT_S)  # the end, behind everything that waits
        self._thread.join(STOP_TIMEOUT_S)
        self._thread = None


class EventLog:
    """Where events are logged by their names."""

    def __init__(self) -> None:
        self._logger = logging.getLogger(_LOGGER)

    def emit(self, event: str, **fields: object) -> None:
        """Log an event of `EVENTS` with these fields. No field may carry a secret or a payload."""
        level = EVENTS[event]
        if self._logger.isEnabledFor(level):
            self._logger.log(level, event, extra={_FIELDS: fields})

    def report(self, event: str, fields: dict[str, object]) -> None:
        """`emit` for parts that hand over a dict."""
        self.emit(event, **fields)

    def exception(self, event: str, fault: BaseException, **fields: object) -> None:
        """Log an exception that nobody foresaw, with the end of its trace."""
        trace = "".join(traceback.format_exception(fault))[-VALUE_CHARACTERS_MAX:]
        self.emit(event, error=type(fault).__name__, trace=trace, **fields)


def start_logging(
    node_id: str, level: str, style: str, counters: Counters, stream: TextIO = sys.stdout
) -> Callable[[], None]:
    """Send all logs of the process to `stream`; what to call at the end, which writes what is left.

    `style` is `json` or `console`; `auto` takes console on a terminal.
    """
    is_console = style == "console" or (style == "auto" and stream.isatty())
    output = logging.StreamHandler(stream)
    output.setFormatter(ConsoleFormatter() if is_console else JsonFormatter(node_id))
    records: queue.Queue[logging.LogRecord | None] = queue.Queue(QUEUE_RECORDS_MAX)
    handler = _BoundedHandler(records, counters)
    root = logging.getLogger()
    before, level_before = root.handlers[:], root.level
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_LOGGER).setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # it warns of every bad request
    listener = _Listener(records, output)
    listener.start()

    def stop() -> None:
        listener.stop()
        root.handlers[:] = before
        root.setLevel(level_before)

    return stop
