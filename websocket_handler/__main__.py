"""`python -m websocket_handler` and `websocket-handler`: the commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from websocket_handler.cli.run import run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, `serve` where none is named. Returns the exit code."""
    return run_command(lambda: _run(list(sys.argv[1:] if arguments is None else arguments)))


def _run(given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="websocket-handler", description="A WebSocket gateway for people and AI agents."
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="run the gateway on the settings of the environment (the default)")
    commands.add_parser("config", help="list every setting with its value, default, unit and limits")
    token_parser = commands.add_parser("token", help="make a token to try things out, signed with JWT_SECRETS")
    _add_token_arguments(token_parser)
    commands.add_parser(
        "deploy", help="build the image of an environment, push it and run it: deploy ENV [--dry-run]", add_help=False
    )
    commands.add_parser("doctor", help="check a running stack, or the settings of this machine", add_help=False)
    commands.add_parser(
        "verify", help="publish to a live deployment, follow it, and count broken promises", add_help=False
    )
    if given[:1] == ["deploy"]:
        from websocket_handler.cli.deploy import deploy  # noqa: PLC0415 - each command loads its own parts

        return deploy(given[1:])
    if given[:1] == ["doctor"]:
        from websocket_handler.cli.doctor import doctor  # noqa: PLC0415

        return doctor(given[1:])
    if given[:1] == ["verify"]:
        from websocket_handler.cli.verify.command import verify  # noqa: PLC0415

        return verify(given[1:])
    options = parser.parse_args(given)
    if options.command == "token":
        from websocket_handler.cli.token import token  # noqa: PLC0415

        return token(options.user, options.project, options.right, options.expires_in)
    if options.command == "config":
        from websocket_handler.cli.show_config import show_config  # noqa: PLC0415

        return show_config()
    from websocket_handler.cli.serve import serve  # noqa: PLC0415

    return serve()


def _add_token_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", default="local", help="the user of the token (default: local)")
    parser.add_argument(
        "--project", action="append", default=[], help="an id, a prefix such as team-*, or *; may be repeated"
    )
    parser.add_argument(
        "--right",
        action="append",
        default=[],
        help="subscribe, publish, presence, forward:dev, admin, …; may be repeated",
    )
    parser.add_argument("--expires-in", type=int, default=3600, metavar="SECONDS", help="default: an hour")


def _version() -> str:
    try:
        return version("websocket-handler")
    except PackageNotFoundError:  # run from the source folder, as in the container
        return "source"


if __name__ == "__main__":
    sys.exit(main())
