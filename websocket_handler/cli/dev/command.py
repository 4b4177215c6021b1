"""`websocket-handler dev`: the whole system on one machine, to try it and to develop against it."""

from __future__ import annotations

import click

from websocket_handler.cli.dev.chaotic import Chaotic
from websocket_handler.cli.dev.local import Local
from websocket_handler.cli.dev.settings import AGENTS
from websocket_handler.cli.dev.system import start
from websocket_handler.cli.grammar import WHOLE, Command


@click.command(
    cls=Command,
    help="Run gateway, queues, demo agents and console on this machine. It needs no AWS, no Docker and no checkout. "
    "The queues are in memory behind the API of SQS, so an agent of your own works unchanged; dev prints the "
    "environment for it. Every setting of serve counts here, too. When it ends, all data is gone.",
    examples=(
        "websocket-handler dev",
        "websocket-handler dev --without dev",
        "websocket-handler dev --chaos",
        "WEBSOCKET_PORT=9000 LOG_LEVEL=warning websocket-handler dev",
    ),
    epilog="Exit codes: 0 it was told to stop; 1 it could not start or go on; 2 a setting is wrong; 3 it cannot "
    "listen on its port.",
)
@click.option("--host", metavar="HOST", help="where the gateway listens; without it WEBSOCKET_HOST, else 127.0.0.1")
@click.option("--port", type=WHOLE, metavar="PORT", help="the gateway's port; without it WEBSOCKET_PORT, else 8080")
@click.option(
    "--without",
    type=click.Choice(AGENTS),
    multiple=True,
    metavar="|".join(AGENTS),
    help="a demo agent to leave out, so that one of your own can take its place; may be repeated",
)
@click.option(
    "--chaos",
    "is_chaotic",
    is_flag=True,
    help="let things fail on demand: type cut, stall, slow, twice, agent or restart, and see what it costs",
)
@click.option("--ends-with", type=WHOLE, hidden=True)
def command(
    host: str | None, port: int | None, without: tuple[str, ...], is_chaotic: bool, ends_with: int | None
) -> int:
    """Run the system. `ends_with` is the id of a parent process without which it ends."""
    return start(Chaotic if is_chaotic else Local, host, port, without, ends_with)
