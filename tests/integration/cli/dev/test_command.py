"""`websocket-handler dev` before it starts anything: its options, and what it cannot do."""

from __future__ import annotations

import socket

import pytest

from websocket_handler.cli import EXIT_PORT, EXIT_USAGE
from websocket_handler.cli.dev.command import command
from websocket_handler.cli.grammar import run


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the settings of whoever runs the tests."""
    for name in ("WEBSOCKET_HOST", "WEBSOCKET_PORT", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)


def test_a_port_that_is_taken_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(command, ["--port", str(port)], "dev") == EXIT_PORT
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith(f"dev: Cannot use 127.0.0.1:{port}: Address already in use. Nothing was started.")
    assert written.err.endswith(f"WEBSOCKET_PORT={port + 1} websocket-handler dev\n")


def test_settings_that_are_wrong_are_told_in_the_words_of_serve(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "loud")
    assert run(command, ["--port", "eighty"], "dev") == EXIT_USAGE
    assert run(command, ["--without", "boss"], "dev") == EXIT_USAGE
    assert run(command, ["--port", "99999"], "dev") == EXIT_USAGE
    errors = capsys.readouterr().err
    for told in (
        "argument --port: invalid int value: 'eighty'",
        "argument --without: 'boss'",
        "WEBSOCKET_PORT: must be",
    ):
        assert told in errors
    assert "LOG_LEVEL: must be" in errors
