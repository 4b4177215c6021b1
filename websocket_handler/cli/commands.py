"""The table of all commands, and how one of them is found and run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import click
from click.shell_completion import shell_complete

from websocket_handler.cli import NO_COLOR
from websocket_handler.cli.grammar import Entry, Group, run

PROGRAM: Final = "websocket-handler"
COMPLETE: Final = "_WEBSOCKET_HANDLER_COMPLETE"
"""The variable with which a shell asks for completions."""
_CLI: Final = "websocket_handler.cli"
ENTRIES: Final = {
    "serve": Entry(f"{_CLI}.plain", "serve", "run the gateway on the settings of the environment (the default)"),
    "dev": Entry(f"{_CLI}.dev.command", "command", "run the whole system on this machine, without AWS, to try it"),
    "tail": Entry(f"{_CLI}.client.commands", "tail", "print the updates of a project as they come"),
    "publish": Entry(f"{_CLI}.client.commands", "publish", "publish a JSON object in a project"),
    "forward": Entry(f"{_CLI}.client.commands", "forward", "hand a task to an agent, and wait for its end"),
    "history": Entry(f"{_CLI}.client.commands", "history", "print what a project's log retains"),
    "export": Entry(f"{_CLI}.client.fixtures", "export", "write a project's log to a file"),
    "replay": Entry(f"{_CLI}.client.fixtures", "replay", "publish the file of an export in another project"),
    "projects": Entry(f"{_CLI}.client.commands", "projects", "list the projects that somebody follows"),
    "approve": Entry(f"{_CLI}.client.approve", "command", "list what runs ask people, and answer"),
    "lint-stream": Entry(f"{_CLI}.lint_stream", "command", "say where events of agents stop AG-UI clients"),
    "drain": Entry(f"{_CLI}.client.commands", "drain", "let a node hand its clients over to others"),
    "mcp": Entry(f"{_CLI}.mcp.command", "command", "let a coding assistant use the agents (needs the extra mcp)"),
    "config": Entry(f"{_CLI}.plain", "config", "list every setting with its value, default, unit and limits"),
    "token": Entry(f"{_CLI}.plain", "token", "make a token to try things out, signed with JWT_SECRETS"),
    "verify": Entry(
        f"{_CLI}.verify.command", "command", "publish to a live deployment, follow it, and count broken promises"
    ),
    "rebalance": Entry(f"{_CLI}.rebalance", "command", "let nodes with more clients than their share move the surplus"),
    "doctor": Entry(f"{_CLI}.doctor", "command", "check a running stack, or the settings of this machine"),
    "deploy": Entry(f"{_CLI}.deploy", "command", "build the image of an environment, push it and run it"),
    "completion": Entry(f"{_CLI}.plain", "completion", "print what makes bash, zsh or fish complete these commands"),
}


def run_named(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name, `serve` if they name none. Returns the exit code."""
    asked = os.environ.get(COMPLETE)
    if asked:
        return shell_complete(commands, {}, PROGRAM, COMPLETE, asked)
    return run(commands, arguments, PROGRAM)


def _show_version(context: click.Context, _option: click.Parameter, is_asked: bool) -> None:
    if is_asked and not context.resilient_parsing:
        try:
            found = version("websocket-handler")
        except PackageNotFoundError:  # run from the source folder, as in the container
            found = "source"
        sys.stdout.write(f"{found}\n")
        context.exit()


def _go_without_colour(_context: click.Context, _option: click.Parameter, is_asked: bool) -> None:
    if is_asked:
        os.environ[NO_COLOR] = "1"


@click.group(
    cls=Group,
    entries=ENTRIES,
    invoke_without_command=True,
    help="A WebSocket gateway for people and AI agents. Each command explains itself: COMMAND --help.",
    subcommand_metavar="COMMAND ...",
    examples=(f"{PROGRAM} dev", f"{PROGRAM} tail proj_123", f"{PROGRAM} serve"),
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="say which")
@click.option(
    "--no-color", is_flag=True, expose_value=False, callback=_go_without_colour, help="the same as NO_COLOR=1"
)
@click.pass_context
def commands(context: click.Context) -> int:
    """Run `serve` if no command is named."""
    if context.invoked_subcommand is None:
        from websocket_handler.cli.serve import serve  # noqa: PLC0415 - each command loads its own parts

        return serve()
    return 0
