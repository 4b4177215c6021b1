"""`mcp`: serves the tools on stdin and stdout, until the assistant closes stdin."""

# ruff: noqa: PLC0415 - each command loads its own parts

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any, Final

import click

from websocket_handler.cli import EXIT_USAGE
from websocket_handler.cli.grammar import Command
from websocket_handler.cli.target import find_target, target_options

MISSING: Final = "websocket-handler mcp: it needs its extra: pip install 'websocket-handler[mcp]'\n"


@click.command(
    cls=Command,
    help="Let a coding assistant use the agents: list_agents, list_projects, send_task, wait_for_task and read_updates "
    "as tools of the Model Context Protocol. An assistant starts this command itself, and speaks to it on stdin and "
    "stdout. It does what the token allows, and no more.",
    examples=("websocket-handler mcp", "websocket-handler mcp --profile staging"),
    epilog="Exit codes: 0 the assistant closed stdin; 2 wrong arguments, or the extra is missing; 130 Ctrl-C. What a "
    "gateway refuses is the answer of a tool.",
)
@target_options
def command(**where: Any) -> int:
    """Serve tools."""
    if find_spec("mcp") is None:
        sys.stderr.write(MISSING)
        return EXIT_USAGE
    target = find_target(**where)
    import asyncio

    from websocket_handler.cli.mcp.server import serve

    asyncio.run(serve(target))
    return 0
