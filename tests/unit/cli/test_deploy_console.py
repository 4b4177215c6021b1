"""What deploy and doctor print: coloured on a terminal, plain anywhere else."""

import io

import pytest

from websocket_handler.cli.deploy_console import Console


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def __init__(self, *, is_terminal: bool = True) -> None:
        super().__init__()
        self._is_terminal = is_terminal
        self.flushed = 0

    def isatty(self) -> bool:
        return self._is_terminal

    def flush(self) -> None:
        self.flushed += 1


@pytest.fixture(autouse=True)
def _coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


def printed(stream: Terminal) -> list[str]:
    """One line of each kind."""
    console = Console(stream)
    console.line()
    console.line("plain")
    console.step("next")
    console.good("fine")
    console.bad("broken")
    console.unknown("open")
    console.note("known")
    return stream.getvalue().split("\n")


PLAIN = ["", "plain", "==> next", "  ok    fine", "  FAIL  broken", "  ??    open", "  note  known", ""]


def test_a_terminal_gets_colours_around_the_same_words() -> None:
    lines = printed(Terminal())
    assert lines[2:7] == [
        "\x1b[34m==> next\x1b[0m",
        "  \x1b[32mok\x1b[0m    fine",
        "  \x1b[31mFAIL\x1b[0m  broken",
        "  \x1b[33m??\x1b[0m    open",
        "  \x1b[33mnote\x1b[0m  known",
    ]


def test_whoever_wants_no_colours_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert printed(Terminal()) == PLAIN


def test_a_file_gets_plain_text() -> None:
    assert printed(Terminal(is_terminal=False)) == PLAIN


def test_every_line_is_seen_at_once() -> None:
    stream = Terminal()
    Console(stream).line("x")
    assert stream.flushed == 1


def test_it_writes_to_standard_output_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    Console().line("here")
    assert capsys.readouterr().out == "here\n"
