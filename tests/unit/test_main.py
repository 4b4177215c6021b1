"""The command line: each command gets its arguments, and what is no command is told."""

import pytest

from tests.support.tokens import SECRET
from websocket_handler.__main__ import main
from websocket_handler.cli import EXIT_USAGE


def exit_code(*arguments: str) -> object:
    """How the program ends."""
    try:
        return main(arguments)
    except SystemExit as end:
        return end.code


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the settings of whoever runs the tests."""
    for name in ("SQS_QUEUE_URL_PM", "DYNAMODB_TABLE_NAME", "JWT_SECRETS"):
        monkeypatch.delenv(name, raising=False)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--version") in (0, None)
    assert capsys.readouterr().out.strip()


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--help") in (0, None)
    said = capsys.readouterr().out
    for command in ("serve", "config", "token", "deploy", "doctor", "verify"):
        assert f"\n    {command} " in said


@pytest.mark.parametrize("arguments", [("dance",), ("--dance",), ("token", "--expires-in", "soon"), ("serve", "fast")])
def test_what_is_no_command_is_told_and_nothing_runs(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(*arguments) == EXIT_USAGE
    written = capsys.readouterr()
    assert (written.out, "usage: websocket-handler" in written.err) == ("", True)


@pytest.mark.parametrize("command", ["deploy", "doctor", "verify"])
def test_a_command_with_options_of_its_own_explains_them_itself(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(command, "--help") in (0, None)
    assert f"usage: websocket-handler {command}" in capsys.readouterr().out


def test_a_token_gets_every_option(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("JWT_SECRETS", SECRET)
    options = ["--user", "ada", "--project", "p", "--project", "team-*", "--right", "subscribe", "--expires-in", "60"]
    assert exit_code("token", *options) == 0
    assert capsys.readouterr().out.count(".") == 2
    assert exit_code("token", "--right", "dance") == EXIT_USAGE
    assert "--right" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [(), ("serve",)])
def test_serving_is_what_it_does_when_no_command_is_named(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without its settings it says which are missing, and ends."""
    assert exit_code(*arguments) == EXIT_USAGE
    assert "DYNAMODB_TABLE_NAME" in capsys.readouterr().err


def test_the_settings_are_listed_even_if_they_cannot_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("config") == EXIT_USAGE
    written = capsys.readouterr()
    assert written.out.startswith("VARIABLE ")
    assert "DYNAMODB_TABLE_NAME" in written.err
