"""Commands of a few lines: what each of them does stands elsewhere, and is loaded when it is to be done."""

# ruff: noqa: PLC0415 - each command loads its own parts

from __future__ import annotations

import sys

import click
from click.shell_completion import get_completion_class

from websocket_handler.cli.grammar import WHOLE, Command


@click.command(
    cls=Command,
    help="Run the gateway on the settings of the environment, until SIGTERM or Ctrl-C.",
    examples=("websocket-handler serve", "WEBSOCKET_PORT=9000 websocket-handler serve"),
    epilog="Exit codes: 0 it was told to stop; 2 a setting is wrong; 3 it cannot listen on its port.",
)
def serve() -> int:
    """Run one node."""
    from websocket_handler.cli.serve import serve as run

    return run()


@click.command(
    cls=Command,
    help="List every setting with its value, default, unit and limits. Secrets are not shown.",
    examples=("websocket-handler config | grep JWT", "websocket-handler config --json | jq -r .variable"),
    epilog="Exit codes: 0 the settings can be used; 2 they cannot, for the reasons on stderr.",
)
@click.option("--json", "is_json", is_flag=True, help="each line is one setting, as an object")
def config(is_json: bool) -> int:
    """List the settings."""
    from websocket_handler.cli.show_config import show_config

    return show_config(is_json=is_json)


@click.command(
    cls=Command,
    help="Make a token to try things out, signed with the first of JWT_SECRETS.",
    examples=("websocket-handler token --project proj_123 --right subscribe --right publish",),
)
@click.option("--user", default="local", metavar="USER", help="the user of the token (default: local)")
@click.option(
    "--project",
    "projects",
    multiple=True,
    metavar="PROJECT",
    help="an id, a prefix such as team-*, or *; may be repeated",
)
@click.option(
    "--right",
    "rights",
    multiple=True,
    metavar="RIGHT",
    help="subscribe, publish, presence, forward:dev, admin, …; may be repeated",
)
@click.option("--expires-in", type=WHOLE, default=3600, metavar="SECONDS", help="default: an hour")
@click.option("--json", "is_json", is_flag=True, help="print an object with token and expires_at")
def token(user: str, projects: tuple[str, ...], rights: tuple[str, ...], expires_in: int, is_json: bool) -> int:
    """Print a token."""
    from websocket_handler.cli.token import token as make

    return make(user, projects, rights, expires_in, is_json=is_json)


@click.command(
    cls=Command,
    help="Print what makes a shell complete these commands and their options with the tabulator key.",
    examples=(
        "websocket-handler completion bash >> ~/.bashrc",
        "websocket-handler completion zsh >> ~/.zshrc",
        "websocket-handler completion fish > ~/.config/fish/completions/websocket-handler.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="bash|zsh|fish")
def completion(shell: str) -> int:
    """Print a shell's script."""
    from websocket_handler.cli.commands import COMPLETE, PROGRAM, commands

    kind = get_completion_class(shell)
    assert kind is not None, "Click knows these shells"
    sys.stdout.write(kind(commands, {}, PROGRAM, COMPLETE).source())
    return 0
