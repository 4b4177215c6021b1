"""Arguments that several commands have in common."""

import click
import pytest

from websocket_handler.cli.arguments import Positive, stack_options
from websocket_handler.cli.grammar import Command, run

Given = dict[str, object]


def parsed(*arguments: str) -> Given:
    """What a command with a limit and the arguments of a stack makes of these. Raises SystemExit if it takes them
    not."""
    taken: Given = {}

    @click.command(cls=Command)
    @click.option("--limit", type=Positive(60, "seconds"), default=7)
    @stack_options
    def command(**given: object) -> int:
        taken.update(given)
        return 0

    if code := run(command, arguments, "command"):
        raise SystemExit(code)
    return taken


@pytest.mark.parametrize(("text", "value"), [("0.001", 0.001), ("60", 60.0), ("5e1", 50.0)])
def test_a_number_is_taken_up_to_its_maximum(text: str, value: float) -> None:
    assert parsed("--limit", text)["limit"] == value


@pytest.mark.parametrize("text", ["0", "-1", "60.001", "nan", "inf"])
def test_a_number_beyond_its_bounds_is_told_with_them(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(f"--limit={text}")
    assert "must be more than 0 and at most 60 seconds" in capsys.readouterr().err


def test_a_text_that_is_no_number_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--limit", "soon")
    assert "'soon'" in capsys.readouterr().err


def test_the_stack_is_found_by_the_environment_unless_its_place_is_named() -> None:
    assert parsed() == {"limit": 7, "stack_name": None, "region": None, "profile": None}
    named = parsed("--stack-name", "s", "--region", "eu-west-1", "--profile", "work")
    assert (named["stack_name"], named["region"], named["profile"]) == ("s", "eu-west-1", "work")
