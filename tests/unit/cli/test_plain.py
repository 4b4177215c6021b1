"""The commands of a few lines. tests/unit/test_main.py has what they do with their arguments."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from websocket_handler.cli.commands import COMPLETE
from websocket_handler.cli.grammar import run
from websocket_handler.cli.plain import completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shells_script_asks_this_program(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(completion, [shell], "completion") == 0
    written = capsys.readouterr()
    assert f"{COMPLETE}={shell}_complete" in written.out
    assert "websocket-handler" in written.out
    assert written.err == ""
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=written.out, text=True, check=True)


def test_another_shell_is_told_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(completion, ["csh"], "completion") == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err
