"""What a command says of itself and of wrong arguments, and where."""

from __future__ import annotations

import click
import pytest

from websocket_handler.cli import EXIT_USAGE
from websocket_handler.cli.grammar import WHOLE, Command, Entry, Group, run


@click.command(cls=Command, help="Count to N.", examples=("count 3",), epilog="Exit codes: 7 always.")
@click.argument("numbers", metavar="N", nargs=-1, required=True)
@click.option("--step", type=WHOLE, default=1, metavar="N", help="how far apart")
def count(numbers: tuple[str, ...], step: int) -> int:
    """Says what it was given."""
    click.echo(f"{numbers} {step}")
    return 7


@click.group(cls=Group, entries={"count": Entry(__name__, "count", "count on"), "gone": Entry("no.such", "x", "go")})
def group() -> None:
    """Commands, one of which cannot be loaded."""


def test_its_exit_code_is_that_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(count, ["1", "--step", "2"], "count") == 7
    assert run(group, ["count", "1"], "all") == 7
    assert capsys.readouterr().out == "('1',) 2\n('1',) 1\n"


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_goes_to_stdout_with_examples_before_the_options(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(count, [option], "count") == 0
    written = capsys.readouterr()
    parts = ["usage: count [OPTIONS] N", "Count to N.", "\n    count 3\n", "--step N", "how far apart", "Exit codes: 7"]
    assert [written.out.index(part) for part in parts] == sorted(written.out.index(part) for part in parts)
    assert written.err == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "count: error: the following arguments are required: N"),
        (["1", "--step", "far"], "count: error: argument --step: invalid int value: 'far'"),
        (["1", "--stop"], "count: error: No such option '--stop'"),
    ],
)
def test_wrong_arguments_are_told_on_stderr(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(count, arguments, "count") == EXIT_USAGE
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith("usage: count [OPTIONS] N")
    assert told in written.err


def test_a_command_that_is_none_is_told_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(group, ["cuont"], "all") == EXIT_USAGE
    assert "all: error: there is no command 'cuont'; did you mean 'count'?" in capsys.readouterr().err


def test_no_command_is_loaded_to_list_them(capsys: pytest.CaptureFixture[str]) -> None:
    """`gone` cannot be loaded."""
    assert run(group, ["--help"], "all") == 0
    listed = capsys.readouterr().out
    assert "\n    count  count on\n    gone   go\n" in listed
    with group.make_context("all", [], resilient_parsing=True) as context:
        assert [item.value for item in group.shell_complete(context, "g")] == ["gone"]
        assert [item.value for item in group.shell_complete(context, "--h")] == ["--help"]
