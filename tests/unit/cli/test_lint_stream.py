"""`lint-stream` on files and stdin."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from websocket_handler.cli import EXIT_BROKEN, EXIT_FAILED, EXIT_USAGE
from websocket_handler.cli.commands import run_named
from websocket_handler.cli.lint_stream import UnreadableError, objects_in

START: dict[str, Any] = {"type": "RUN_STARTED", "threadId": "p", "runId": "r"}
FINISH: dict[str, Any] = {"type": "RUN_FINISHED", "threadId": "p", "runId": "r"}
LATE: dict[str, Any] = {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "x"}
ODD: dict[str, Any] = {"type": "STATE_DELTA", "delta": [{"op": "remove", "path": "/a"}]}
CANCELLED: dict[str, Any] = {**FINISH, "outcome": {"type": "cancelled"}}


def lines(*events: dict[str, Any]) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


def linted(tmp_path: Path, text: str, *options: str) -> int:
    file = tmp_path / "events"
    file.write_text(text, encoding="utf-8")
    return run_named(["lint-stream", str(file), *options])


def test_each_violation_is_a_line_with_its_place_and_the_clients(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = lines(*({**event, "offset": offset} for offset, event in ((7, START), (9, LATE), (12, FINISH))))
    assert linted(tmp_path, log) == EXIT_BROKEN
    output = capsys.readouterr()
    assert output.out == (
        "9  not_open  TEXT_MESSAGE_CONTENT of text 'm', which is not open; "
        "@ag-ui/client 1.0 and @ag-ui/client 0.0.59 (CopilotKit) stops here\n"
    )
    assert output.err == "-- 3 events, 1 violations; clients stop at 1 of them\n"


def test_what_stops_nobody_is_told_and_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert linted(tmp_path, lines(START, ODD, FINISH)) == 0
    assert "patch_failed" in capsys.readouterr().out


@pytest.mark.parametrize(("client", "code"), [("1.0", 0), ("0.0.59", EXIT_BROKEN)])
def test_one_client_can_be_asked_for(
    client: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert linted(tmp_path, lines(START, CANCELLED), "--client", client, "--json") == code
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["stops"] for each in found] == ([["0.0.59"]] if code else [])


@pytest.mark.parametrize(
    "text",
    [
        lines(START, LATE),
        json.dumps([START, LATE]),
        "".join(f": hello\nid: e:1\nevent: x\ndata: {json.dumps(event)}\n\n" for event in (START, LATE)),
    ],
)
def test_lines_lists_and_event_streams_are_read(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(objects_in(text)) == [START, LATE]
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert run_named(["lint-stream", "-"]) == EXIT_BROKEN


def test_nothing_is_fine_and_nonsense_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert linted(tmp_path, "") == 0
    for text in ("[1]", "{}\n[2]\n", "hello\n"):
        assert linted(tmp_path, text) == EXIT_FAILED
        with pytest.raises(UnreadableError):
            list(objects_in(text))
    assert capsys.readouterr().out == ""


def test_what_is_no_file_must_be_a_project(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_named(["lint-stream", "no such file!"]) == EXIT_USAGE
    assert "is no file, and no project" in capsys.readouterr().err
