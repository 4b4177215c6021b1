"""Arguments that several commands have in common."""

import argparse

import pytest

from websocket_handler.cli.arguments import add_stack_arguments, positive


def parser() -> argparse.ArgumentParser:
    """A command with a limit and the arguments of a stack."""
    found = argparse.ArgumentParser(prog="command")
    found.add_argument("--limit", type=positive(60, "seconds"), default=7)
    add_stack_arguments(found)
    return found


@pytest.mark.parametrize(("text", "value"), [("0.001", 0.001), ("60", 60.0), ("5e1", 50.0)])
def test_a_number_is_taken_up_to_its_maximum(text: str, value: float) -> None:
    assert parser().parse_args(["--limit", text]).limit == value


@pytest.mark.parametrize("text", ["0", "-1", "60.001", "nan", "inf"])
def test_a_number_beyond_its_bounds_is_told_with_them(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([f"--limit={text}"])
    assert "must be more than 0 and at most 60 seconds" in capsys.readouterr().err


def test_a_text_that_is_no_number_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["--limit", "soon"])
    assert "'soon'" in capsys.readouterr().err


def test_the_stack_is_found_by_the_environment_unless_its_place_is_named() -> None:
    assert vars(parser().parse_args([])) == {"limit": 7, "stack_name": None, "region": None, "profile": None}
    named = parser().parse_args(["--stack-name", "s", "--region", "eu-west-1", "--profile", "work"])
    assert (named.stack_name, named.region, named.profile) == ("s", "eu-west-1", "work")
