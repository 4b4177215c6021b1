"""Logs: one line per event whatever a client sends, and never a wait."""

import io
import json
import logging
from collections.abc import Iterator
from queue import Queue

import pytest

from websocket_handler.telemetry import log
from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.events import EVENTS
from websocket_handler.telemetry.log import VALUE_CHARACTERS_MAX, EventLog, start_logging

HOSTILE = [
    'x\n{"level":"error","event":"node.failed"}',
    "x\r\nforged",
    "x\u2028forged\u2029forged",
    "x\x85\x0b\x0c\x1c\x1dforged",
    "\x1b[2J\x1b]0;title\x07",
    "\x00",
    "\ud800",
    "\u202eright to left",
    "😀" * 50,
    "x" * 102_400,
    '"\\',
]


@pytest.fixture(autouse=True)
def _untouched_loggers() -> Iterator[None]:
    names = ("websocket_handler", "uvicorn.error")
    before = {name: logging.getLogger(name).level for name in names}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


def written(style: str, emit: object, *, level: str = "DEBUG", stream: io.StringIO | None = None) -> list[str]:
    """The lines that `emit` leaves."""
    stream = stream or io.StringIO()
    stop = start_logging("n1", level, style, Counters(), stream)
    try:
        assert callable(emit)
        emit()
    finally:
        stop()
    return stream.getvalue().removesuffix("\n").split("\n")


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("style", ["json", "console"])
def test_no_value_forges_a_line_or_floods_one(style: str, value: str) -> None:
    lines = written(style, lambda: EventLog().emit("connection.closed", connection_id=value, listed=[value, value]))
    assert len(lines) == 1
    assert len("".join(lines).splitlines()) == 1
    assert lines[0].isascii()
    assert lines[0].isprintable()
    assert len(lines[0]) < 3 * 12 * VALUE_CHARACTERS_MAX + 500


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("style", ["json", "console"])
def test_a_librarys_message_forges_nothing_either(style: str, value: str) -> None:
    lines = written(style, lambda: logging.getLogger("library").error("said %s", value))
    assert len(lines) == 1
    assert lines[0].isprintable()


def test_a_line_is_one_json_object_with_time_level_node_and_fields() -> None:
    emit = EventLog().emit
    (line,) = written(
        "json", lambda: emit("connection.closed", close_code=1000, duration_s=1.5, projects=[1, "p"], none=None)
    )
    record = json.loads(line)
    assert record.pop("time").endswith("Z")
    assert record == {
        "level": "info",
        "node_id": "n1",
        "event": "connection.closed",
        "close_code": 1000,
        "duration_s": 1.5,
        "projects": [1, "p"],
        "none": None,
    }


def test_a_person_reads_the_event_and_its_fields() -> None:
    (line,) = written("auto", lambda: EventLog().report("node.listening", {"port": 8080}), stream=Terminal())
    assert line.endswith("info    node.listening  port=8080")
    (other,) = written("auto", lambda: EventLog().emit("node.listening", port=8080))
    assert json.loads(other)["port"] == 8080


def test_long_values_are_cut_and_say_so() -> None:
    (line,) = written("json", lambda: EventLog().emit("library", message="x" * (VALUE_CHARACTERS_MAX + 1)))
    assert json.loads(line)["message"] == "x" * VALUE_CHARACTERS_MAX + "…"
    (line,) = written("json", lambda: EventLog().emit("library", message="x" * VALUE_CHARACTERS_MAX))
    assert json.loads(line)["message"] == "x" * VALUE_CHARACTERS_MAX


def test_what_is_less_urgent_than_the_level_is_not_logged() -> None:
    assert written("json", lambda: EventLog().emit("connection.opened"), level="INFO") == [""]


def test_an_exception_is_logged_with_the_end_of_its_trace() -> None:
    def emit() -> None:
        try:
            raise ValueError("x\ny")
        except ValueError as fault:
            EventLog().exception("task.failed", fault, task="sweep")
            logging.getLogger("library").exception("said")

    own, librarys = map(json.loads, written("json", emit))
    assert (own["error"], own["task"], own["level"]) == ("ValueError", "sweep", "error")
    assert "ValueError: x\ny" in own["trace"]
    assert "ValueError" in librarys["trace"]


class _Stuck(io.StringIO):
    """A pipe that nobody reads until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = Queue[int]()
        self.released = Queue[int]()

    def write(self, text: str) -> int:
        if text.strip() and not self.begun.qsize():
            self.begun.put(1)
            self.released.get()
        return super().write(text)


def test_a_blocked_pipe_costs_lines_that_are_counted_and_never_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "QUEUE_RECORDS_MAX", 10)
    counters, stream = Counters(), _Stuck()
    stop = start_logging("n1", "INFO", "json", counters, stream)
    events = EventLog()
    events.emit("node.listening", port=0)
    stream.begun.get()
    stream.begun.put(1)
    for port in range(1, 26):
        events.emit("node.listening", port=port)
    assert counters.log_records_dropped == 15
    stream.released.put(1)
    stop()
    assert [json.loads(line)["port"] for line in stream.getvalue().splitlines()] == list(range(11))


def test_a_pipe_that_nobody_reads_does_not_hold_up_the_end_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "QUEUE_RECORDS_MAX", 1)
    monkeypatch.setattr(log, "STOP_TIMEOUT_S", 0.01)
    stream = _Stuck()
    stop = start_logging("n1", "INFO", "json", Counters(), stream)
    EventLog().emit("node.listening")
    stream.begun.get()
    stream.begun.put(1)
    EventLog().emit("node.listening")
    stop()
    stop()
    stream.released.put(1)


def test_stopping_gives_the_process_its_loggers_back() -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    written("json", lambda: None)
    assert (root.handlers, root.level) == before


def test_an_event_without_a_name_is_a_bug_that_shows_at_once() -> None:
    with pytest.raises(KeyError):
        EventLog().emit("no.such.event")
    assert all(level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR) for level in EVENTS.values())
