"""Structured logs: one JSON line per event on stdout, or readable text on a terminal.

A line is built from values only, each escaped to ASCII and cut to `VALUE_CHARACTERS_MAX`, so no client can forge
one or flood it. `lines` writes them: a blocked pipe never blocks the event loop, and what is lost is counted.
"""

import json
import logging
import os
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from math import isfinite
from typing import Final

from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.events import EVENTS
from websocket_handler.telemetry.lines import LineWriter

VALUE_CHARACTERS_MAX: Final = 1000
STDOUT: Final = 1
_LOGGER: Final = "websocket_handler"
_LINES: Final = "websocket_handler.lines"
"""Where those log who have a whole line already."""
_FIELDS: Final = "fields"
_PLAIN: Final = (bool, int, type(None))

_encode: Final = json.JSONEncoder(ensure_ascii=True, allow_nan=False, default=str).encode


def _shown(value: object) -> object:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
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
        line: dict[str, object] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "node_id": self._node_id,
        }
        for name, value in _fields(record).items():
            line[name] = _shown(value)
        return _encode(line)


class ConsoleFormatter(logging.Formatter):
    """For a person at a terminal: time, event, fields."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S.%f")[:-3]
        fields = _fields(record)
        event = fields.pop("event")
        shown = " ".join(f"{name}={_encode(_shown(value))}" for name, value in fields.items())
        return f"{time} {record.levelname.lower():7} {event}  {shown}"


class _Output(logging.Handler):
    """Makes records to lines, at once: what waits is bounded in bytes, and no value changes any more."""

    def __init__(self, writer: LineWriter, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._writer = writer

    def createLock(self) -> None:  # noqa: N802 - logging's name
        self.lock = None  # the writer has its own

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = record.getMessage() if record.name == _LINES else self.format(record)
        except Exception:  # noqa: BLE001 - a record that cannot be shown must not fail whoever logs it
            self._writer.count_lost()
            return
        self._writer.put(line)


class EventLog:
    """Where events are logged by their names."""

    def __init__(self) -> None:
        self._logger = logging.getLogger(_LOGGER)

    def emit(self, event: str, **fields: object) -> None:
        """Log an event of `EVENTS` with these fields. No field may carry a secret or a payload."""
        level = EVENTS[event]
        if self._logger.isEnabledFor(level):
            # not `Logger.log`: it would walk the stack for the line of code, which no event shows
            record = logging.LogRecord(_LOGGER, level, "", 0, event, (), None)
            record.__dict__[_FIELDS] = fields
            self._logger.handle(record)

    def report(self, event: str, fields: dict[str, object]) -> None:
        """`emit` for parts that hand over a dict."""
        self.emit(event, **fields)

    def exception(self, event: str, fault: BaseException, **fields: object) -> None:
        """Log an exception that nobody foresaw, with the end of its trace."""
        trace = "".join(traceback.format_exception(fault))[-VALUE_CHARACTERS_MAX:]
        self.emit(event, error=type(fault).__name__, trace=trace, **fields)


def log_line(line: str) -> None:
    """Leave a line that is whole already, and ASCII, between the others, whatever the level is."""
    logging.getLogger(_LINES).critical("%s", line)


def start_logging(
    node_id: str, level: str, style: str, counters: Counters, descriptor: int = STDOUT
) -> Callable[[], None]:
    """Send all logs of the process to `descriptor`; what to call at the end, which writes what is left.

    `style` is `json` or `console`; `auto` takes console on a terminal.
    """
    is_console = style == "console" or (style == "auto" and os.isatty(descriptor))
    writer = LineWriter(descriptor, counters)
    root = logging.getLogger()
    before, level_before = root.handlers[:], root.level
    root.handlers[:] = [_Output(writer, ConsoleFormatter() if is_console else JsonFormatter(node_id))]
    root.setLevel(logging.WARNING)
    logging.getLogger(_LOGGER).setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # it warns of every bad request

    def stop() -> None:
        writer.stop()
        root.handlers[:] = before
        root.setLevel(level_before)

    return stop
