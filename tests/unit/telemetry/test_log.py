"""Logs: one line per event whatever a client sends, and never a wait."""

import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator

import pytest

from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.events import EVENTS
from websocket_handler.telemetry.log import VALUE_CHARACTERS_MAX, EventLog, log_line, start_logging

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


def written(
    style: str, emit: Callable[[], object], *, level: str = "DEBUG", counters: Counters | None = None
) -> list[str]:
    """The lines that `emit` leaves."""
    with tempfile.TemporaryFile() as file:
        stop = start_logging("n1", level, style, counters or Counters(), file.fileno())
        try:
            emit()
        finally:
            stop()
        file.seek(0)
        return file.read().decode("ascii").removesuffix("\n").split("\n")


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


def test_a_person_reads_the_event_and_its_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = written("auto", lambda: EventLog().emit("node.listening", port=8080))
    assert json.loads(line)["port"] == 8080
    monkeypatch.setattr(os, "isatty", lambda _descriptor: True)
    (shown,) = written("auto", lambda: EventLog().report("node.listening", {"port": 8080}))
    assert shown.endswith("info    node.listening  port=8080")


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_line_that_is_whole_stays_as_it_is_and_in_its_turn_whatever_the_level(style: str) -> None:
    def emit() -> None:
        EventLog().emit("node.failed", reason="first")
        log_line('{"a":"%s"}')
        EventLog().emit("node.failed", reason="last")

    first, line, last = written(style, emit, level="ERROR")
    assert "first" in first
    assert line == '{"a":"%s"}'
    assert "last" in last


class _Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_a_record_that_cannot_be_shown_is_counted_and_costs_nobody_else_anything() -> None:
    counters = Counters()

    def emit() -> None:
        EventLog().emit("library", message=_Unspeakable())
        logging.getLogger("library").error("%d", "no number")
        EventLog().emit("library", message=float("nan"))

    (line,) = written("json", emit, counters=counters)
    assert json.loads(line)["message"] == "nan"
    assert counters.log_records_dropped == 2


def test_long_values_are_cut_and_say_so() -> None:
    (line,) = written("json", lambda: EventLog().emit("library", message="x" * (VALUE_CHARACTERS_MAX + 1)))
    assert json.loads(line)["message"] == "x" * VALUE_CHARACTERS_MAX + "…"
    (line,) = written("json", lambda: EventLog().emit("library", message="x" * VALUE_CHARACTERS_MAX))
    assert json.loads(line)["message"] == "x" * VALUE_CHARACTERS_MAX


def test_what_is_less_urgent_than_the_level_is_not_logged() -> None:
    assert written("json", lambda: EventLog().emit("connection.closed"), level="WARNING") == [""]


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


class _Broken(logging.Handler):
    """A handler of an embedding program that fails."""

    def handle(self, record: logging.LogRecord) -> bool:
        raise RuntimeError(record.msg)


def test_a_handler_that_raises_reaches_nobody_who_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a client's connection, or the event loop, would end with it."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [_Broken()])
    logging.getLogger("websocket_handler").setLevel("DEBUG")
    with pytest.raises(RuntimeError):
        logging.getLogger("websocket_handler").info("it is in use")
    EventLog().emit("connection.closed")
    EventLog().exception("connection.failed", ValueError())


def test_stopping_gives_the_process_its_loggers_back() -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    written("json", lambda: None)
    assert (root.handlers, root.level) == before


def test_an_event_without_a_name_is_a_bug_that_shows_at_once() -> None:
    with pytest.raises(KeyError):
        EventLog().emit("no.such.event")
    assert all(level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR) for level in EVENTS.values())
