"""Writes commands.md from the commands themselves: `python docs/reference/commands.py`. A test compares the two."""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from websocket_handler.cli.commands import PROGRAM, commands
from websocket_handler.cli.grammar import Command

PAGE = Path(__file__).resolve().with_name("commands.md")
ESCAPED_BAR = "\\|"
"""A bar within a cell of a table."""
HEAD = f"""# All commands and options

`make reference` writes this page from the commands themselves; `{PROGRAM} COMMAND --help` says the same.
[Commands](../commands.md) tells how they find a gateway, what the exit codes mean, and how the larger ones behave.

Every command has `--help`. `{PROGRAM} --version` says which version it is. `--no-color` before the name of the command
is the same as the variable `NO_COLOR`.
"""


def plain(text: str | None) -> str:
    """A text of the help in one line."""
    return " ".join(inspect.cleandoc(text or "").replace("\b", "").split())


def cell(text: str) -> str:
    """Text in a cell of a table."""
    return text.replace("|", "\\|").replace("*", "\\*")


def options_of(command: click.Command) -> Iterator[str]:
    """A line of the table for each option."""
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            metavar = "" if parameter.is_flag else f" {parameter.make_metavar(click.Context(command))}"
            names = ", ".join([*parameter.opts, *parameter.secondary_opts])
            yield f"| `{names}{metavar.replace('|', ESCAPED_BAR)}` | {cell(plain(parameter.help))} |\n"


def section(name: str) -> str:
    """What the page says about a command."""
    context = click.Context(commands, info_name=PROGRAM)
    command = commands.get_command(context, name)
    assert isinstance(command, Command), name
    usage = " ".join(command.collect_usage_pieces(click.Context(command)))
    lines = [f"\n## {name}\n\n{plain(command.help)}\n\nUsage: `{PROGRAM} {name} {usage}`\n"]
    lines += ["\nExamples:\n\n", *(f"* `{line}`\n" for line in command.examples)]
    options = "".join(options_of(command))
    if options:
        lines.append(f"\n| option | meaning |\n| --- | --- |\n{options}")
    if command.epilog:
        lines.append(f"\n{plain(command.epilog)}\n")
    return "".join(lines)


def page() -> str:
    """The whole page."""
    return HEAD + "".join(map(section, commands.list_commands(click.Context(commands))))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE.name}\n")
