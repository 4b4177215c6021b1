"""How every command reads its arguments, explains itself, and tells what is wrong with them: Click, in our words.

Help goes to stdout and errors go to stderr, as plain text of the streams that `run_command` has prepared.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Final, NamedTuple

import click
from click.shell_completion import CompletionItem

from websocket_handler.cli import EXIT_USAGE

INDENT: Final = 4


class Formatter(click.HelpFormatter):
    """Lays out help."""

    def __init__(self, width: int | None = None, max_width: int | None = None) -> None:
        super().__init__(indent_increment=INDENT, width=width, max_width=max_width)

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix="usage: ")


class Context(click.Context):
    """One call of a command."""

    formatter_class = Formatter


class Command(click.Command):
    """A command. `examples` are whole lines for a shell, and its help shows them first."""

    context_class = Context

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.examples = examples

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        return ["-h", "--help"]

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        option = super().get_help_option(ctx)
        if option is not None:
            option.callback = _show_help
        return option

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_help_text(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                formatter.write("".join(f"{'':{INDENT}}{line}\n" for line in self.examples))


class Entry(NamedTuple):
    """A command that is loaded when somebody asks for it: `name` in `module`."""

    module: str
    name: str
    summary: str


class Group(Command, click.Group):
    """Commands by name. None of their modules is loaded before its command runs, or explains itself."""

    def __init__(self, *arguments: Any, entries: Mapping[str, Entry], **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self._entries.get(cmd_name)
        if entry is None:
            return None
        command = getattr(import_module(entry.module), entry.name)
        assert isinstance(command, click.Command), entry
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self._entries and not ctx.resilient_parsing:
            near = get_close_matches(args[0], self._entries, n=1)
            ctx.fail(f"there is no command {args[0]!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self._entries.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [name for name in self._entries if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(name, help=self._entries[name].summary) for name in names), *options]


class Number(click.ParamType[float]):
    """A number: `int` or `float`."""

    name = "number"

    def __init__(self, kind: type[int] | type[float]) -> None:
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return self._kind(value)
        except ValueError:
            self.fail(f"invalid {self._kind.__name__} value: {value!r}", param, ctx)


WHOLE: Final = Number(int)
NUMBER: Final = Number(float)


def run(command: click.Command, arguments: Sequence[str], program: str) -> int:
    """Run a command, which is called `program` in what it says. Returns its exit code: 2, with the reason on stderr, if
    the arguments cannot be used."""
    try:
        with command.make_context(program, list(arguments)) as context:
            code = command.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        return _tell(error, program)
    assert isinstance(code, int), f"{program} returns its exit code"
    return code


def _tell(error: click.ClickException, program: str) -> int:
    context = error.ctx if isinstance(error, click.UsageError) else None
    usage = f"{context.get_usage()}\n" if context is not None else ""
    name = context.command_path if context is not None else program
    sys.stderr.write(f"{usage}{name}: error: {_words_of(error)}\n")
    return EXIT_USAGE


def _words_of(error: click.ClickException) -> str:
    if isinstance(error, click.BadParameter) and error.param is not None:
        name = _name_of(error.param)
        if isinstance(error, click.MissingParameter):
            return f"the following arguments are required: {name}"
        return f"argument {name}: {error.message}"
    return error.format_message()


def _name_of(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        return parameter.metavar or parameter.human_readable_name
    return "/".join(parameter.opts)


def _show_help(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        sys.stdout.write(f"{ctx.get_help()}\n")
        ctx.exit()
