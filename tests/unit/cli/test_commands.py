"""The table of the commands: each can be loaded, none is loaded too early."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest

from websocket_handler.cli.commands import COMPLETE, ENTRIES, PROGRAM, commands, run_named
from websocket_handler.cli.grammar import Command

HEAVY = ("aiohttp", "asyncio", "botocore", "msgspec", "starlette", "uvicorn", "uvloop", "websocket_handler.config")


@pytest.mark.parametrize("name", ENTRIES)
def test_each_command_explains_itself_and_shows_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with commands.make_context(PROGRAM, [name]) as context:
        assert isinstance(commands.get_command(context, name), Command)
    assert run_named([name, "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: {PROGRAM} {name}")
    assert f"\n    {PROGRAM} {name}" in said or f" {PROGRAM} {name}\n" in said


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["serve", "--help"], ["completion", "bash"]])
def test_what_needs_no_gateway_loads_none_of_it(arguments: list[str]) -> None:
    """So that help and the tabulator key answer at once."""
    code = (
        f"import sys; from websocket_handler.__main__ import main; code = main({arguments!r}); "
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert done.stdout


@pytest.mark.parametrize(
    ("words", "found"), [("websocket-handler con", "config"), ("websocket-handler verify --pub", "--publish-url")]
)
def test_a_shell_gets_completions(words: str, found: str) -> None:
    asked = {COMPLETE: "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    command = [sys.executable, "-m", "websocket_handler"]
    done = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True, check=True)
    assert f"plain,{found}" in done.stdout.splitlines()


def test_colours_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert run_named(["--no-color", "completion", "zsh"]) == 0
    assert os.environ["NO_COLOR"] == "1"
    assert isinstance(commands, click.Group)
    capsys.readouterr()
