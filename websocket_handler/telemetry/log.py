"""Structured logs on stdout: one line of JSON for each event, or readable text on a terminal.

A line consists of values only. Each is escaped to ASCII and cut to `VALUE_CHARACTERS_MAX`, so no client can forge a
line or make it endless. `lines` writes them: a blocked pipe never blocks the event loop, and lost lines are counted.
"""

from __future__ import annotations

import json
import logging
import os
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from math import isfinite
from time import time
from typing import ClassVar, Final

import msgspec

from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.events import EVENTS
from websocket_handler.telemetry.lines import LineWriter
from websocket_handler.telemetry.time_text import time_text

VALUE_CHARACTERS_MAX: Final = 1000
STDOUT: Final = 1
_LOGGER: Final = "websocket_handler"
_LINES: Final = "websocket_handler.lines"
"""The logger that `log_line` uses."""
_FIELDS: Final = "fields"
_LEVELS: Final = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "critical",
}
_PLAIN: Final = (bool, int, type(None))
_PLAIN_TYPES: Final = frozenset(_PLAIN)

_escape: Final = json.JSONEncoder(ensure_ascii=True, allow_nan=False, default=str).encode


def _encode(value: object) -> str:
    """JSON in ASCII. Nearly every value has nothing to escape, and takes the fast path."""
    try:
        text = msgspec.json.encode(value)
    except UnicodeEncodeError:  # half of a surrogate pair
        return _escape(value)
    return text.decode("ascii") if text.isascii() else _escape(value)


def _level(level: int) -> str:
    return _LEVELS.get(level) or logging.getLevelName(level).lower()


def _shown(value: object) -> object:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value[:100]]
    text = str(value)
    return text if len(text) <= VALUE_CHARACTERS_MAX else text[:VALUE_CHARACTERS_MAX] + "…"


def _event(record: logging.LogRecord) -> tuple[str, Mapping[str, object]]:
    """The event of a record, and its fields. The message of a library becomes the event `library`."""
    fields: dict[str, object] | None = record.__dict__.get(_FIELDS)
    if fields is not None:
        return record.msg, fields
    message: dict[str, object] = {"logger": record.name, "message": record.getMessage()}
    if record.exc_info:
        message["trace"] = "".join(traceback.format_exception(*record.exc_info))[-VALUE_CHARACTERS_MAX:]
    return "library", message


Style = Callable[[float, int, str, Mapping[str, object]], str]
"""Makes a line from the time in seconds since 1970, the level, the event and its fields."""


def json_style(node_id: str) -> Style:
    """One JSON object per line, ASCII only, so that a log service can search its fields by name."""

    def line(wall: float, level: int, event: str, fields: Mapping[str, object]) -> str:
        shown: dict[str, object] = {
            "time": time_text(wall),
            "level": _LEVELS.get(level) or _level(level),
            "node_id": node_id,
            "event": event,
        }
        for name, value in fields.items():
            shown[name] = value if type(value) in _PLAIN_TYPES else _shown(value)
        return _encode(shown)

    return line


def console_style(wall: float, level: int, event: str, fields: Mapping[str, object]) -> str:
    """For a person at a terminal: time, event, fields."""
    at = datetime.fromtimestamp(wall).strftime("%H:%M:%S.%f")[:-3]
    shown = " ".join(f"{name}={_encode(_shown(value))}" for name, value in fields.items())
    return f"{at} {_level(level):7} {event}  {shown}"


class _Output(logging.Handler):
    """Makes lines of events and records at once. So the queue is bounded in bytes, and no value changes before it is
    written."""

    current: ClassVar[_Output | None] = None
    """The output of this process, from `start_logging` to its end."""

    def __init__(self, writer: LineWriter, style: Style) -> None:
        super().__init__()
        self._style = style
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == _LINES:
            self._put(record.getMessage)
        else:
            self._put(lambda: self._style(record.created, record.levelno, *_event(record)))

    def write(self, level: int, event: str, fields: Mapping[str, object]) -> None:
        """Write an event that has just happened."""
        try:
            self._writer.put(self._style(time(), level, event, fields))
        except Exception:  # noqa: BLE001 - see `_put`, which would cost every connection two calls more
            self._writer.count_lost()

    def _put(self, line: Callable[[], str]) -> None:
        try:
            self._writer.put(line())
        except Exception:  # noqa: BLE001 - a value that cannot be shown must not fail its caller
            self._writer.count_lost()


class EventLog:
    """Logs events by their names."""

    def __init__(self) -> None:
        self._logger = logging.getLogger(_LOGGER)

    def emit(self, event: str, **fields: object) -> None:
        """Log an event of `EVENTS` with these fields. No field may carry a secret or a payload."""
        level = EVENTS[event]
        if not self._logger.isEnabledFor(level):
            return
        if _Output.current is not None:  # cheaper than a log record, and every connection logs a line
            _Output.current.write(level, event, fields)
        else:
            with suppress(Exception):  # a program that embeds the server has its own log handlers, which may raise
                self._logger.log(level, event, extra={_FIELDS: fields})

    def report(self, event: str, fields: dict[str, object]) -> None:
        """The same as `emit`, with the fields as a dict."""
        self.emit(event, **fields)

    def exception(self, event: str, fault: BaseException, **fields: object) -> None:
        """Log an unexpected exception, with the end of its traceback."""
        trace = "".join(traceback.format_exception(fault))[-VALUE_CHARACTERS_MAX:]
        self.emit(event, error=type(fault).__name__, trace=trace, **fields)


def log_line(line: str) -> None:
    """Write a line that is already complete and in ASCII. It waits its turn, and the log level does not matter."""
    logging.getLogger(_LINES).critical("%s", line)


def start_logging(
    node_id: str, level: str, style: str, counters: Counters, descriptor: int = STDOUT
) -> Callable[[], None]:
    """Send all logs of the process to `descriptor`. Call the returned function at the end: it writes what is left.

    `style` is `json`, `console`, or `auto`, which means `console` on a terminal.
    """
    is_console = style == "console" or (style == "auto" and os.isatty(descriptor))
    writer = LineWriter(descriptor, counters)
    root = logging.getLogger()
    before, level_before = root.handlers[:], root.level
    _Output.current = _Output(writer, console_style if is_console else json_style(node_id))
    root.handlers[:] = [_Output.current]
    root.setLevel(logging.WARNING)
    logging.getLogger(_LOGGER).setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # uvicorn warns of every bad request

    def stop() -> None:
        writer.stop()
        _Output.current = None
        root.handlers[:] = before
        root.setLevel(level_before)

    return stop
