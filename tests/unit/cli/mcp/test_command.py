"""`mcp` without its extra."""

from __future__ import annotations

import pytest

from websocket_handler.__main__ import main
from websocket_handler.cli import EXIT_USAGE
from websocket_handler.cli.mcp import command


def test_without_its_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda _name: None)
    assert main(["mcp"]) == EXIT_USAGE
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", command.MISSING)
    assert "pip install 'websocket-handler[mcp]'" in told.err
