"""The lines of `tail` and `history`."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from websocket_handler.cli.client.place import Position
from websocket_handler.cli.client.showing import TEXT_MAX, Printer, notice


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def line(message: dict[str, Any], stream: io.StringIO | None = None, *, is_json: bool = False) -> str:
    """What is written for an update."""
    stream = stream or io.StringIO()
    Printer("p", is_json=is_json, stream=stream).show('{"as": "it came"}', message, Position("e", 7))
    return stream.getvalue()


def test_a_line_has_time_position_type_and_text() -> None:
    shown = line({"type": "dev_result", "text": "Done", "published_at": 1_795_377_600_123})
    assert re.fullmatch(r"\d\d:\d\d:\d\d  p@e:7  dev_result  Done\n", shown)


def test_without_a_text_it_has_what_is_left_and_without_a_time_none() -> None:
    assert line({"n": 1, "offset": 7, "project_id": "p"}) == '--:--:--  p@e:7  -  {"n":1}\n'
    assert line({"published_at": 10**30, "text": "x"}).startswith("--:--:--")


def test_json_is_the_text_as_it_came() -> None:
    assert line({"type": "x"}, is_json=True) == '{"as": "it came"}\n'


def test_no_publisher_moves_the_cursor_or_fills_the_screen() -> None:
    shown = line({"type": "a\x1b[2J", "text": "one\ntwo\r\x9b" + "x" * 1000})
    assert shown.count("\n") == 1
    assert "\x1b" not in shown
    assert len(shown) < TEXT_MAX + 60


def test_a_terminal_shows_agents_in_colours_unless_somebody_wants_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    assert "\x1b[36mdev_result\x1b[0m" in line({"type": "dev_result"}, Terminal())
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in line({"type": "dev_result"}, Terminal())
    monkeypatch.delenv("TERM")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in line({"type": "dev_result"}, Terminal())


def test_what_is_no_data_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    notice("gap")
    assert capsys.readouterr() == ("", "-- gap\n")
