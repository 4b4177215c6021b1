"""`websocket-handler verify URL…`: the proof kit, for a live deployment that somebody deploys, scales or hurts."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, TextIO

import click
import uvloop

from websocket_handler.cli import EXIT_USAGE
from websocket_handler.cli.arguments import Decorated
from websocket_handler.cli.grammar import NUMBER, WHOLE, Command, run
from websocket_handler.cli.target import PROFILE, find_target
from websocket_handler.cli.verify import plan as limits
from websocket_handler.cli.verify.plan import Plan, PlanError
from websocket_handler.cli.verify.report import TITLES, Report, as_json, as_text
from websocket_handler.cli.verify.verification import Verification

ROW_EVERY_S: Final = 5.0
"""In a log file. A terminal shows one row, and renews it every second."""
TERMINAL_ROW_EVERY_S: Final = 1.0
CLEARED: Final = "\r\x1b[K"


def _numbers(command: Decorated) -> Decorated:
    """The options that are numbers."""
    for name, kind, unit, most, text in (
        ("settle", NUMBER, "SECONDS", limits.SETTLE_MAX_S, "how long the last deliveries may take"),
        ("rate", NUMBER, "N", limits.RATE_MAX, "publications per second, of all projects together"),
        ("projects", WHOLE, "N", limits.PROJECTS_MAX, "projects; each has its subscribers and two publishers"),
        ("clients", WHOLE, "N", limits.CLIENTS_MAX, "subscribers"),
        ("duration", NUMBER, "SECONDS", limits.DURATION_MAX_S, "how long publications are sent"),
    ):
        field = {"duration": "duration_s", "settle": "settle_s"}.get(name, name)
        default = Plan.__dataclass_fields__[field].default
        told = f"{text} (default {default:g}, at most {most:,})"
        command = click.option(f"--{name}", field, type=kind, default=default, metavar=unit, help=told)(command)
    return command


@click.command(
    cls=Command,
    help="Publish to a live deployment, follow it, and count every promise that it breaks. Deploy, scale or "
    "hurt it meanwhile. Ctrl-C ends the run, with its verdict; a second one ends it without.",
    examples=(
        "websocket-handler verify ws://127.0.0.1:8080 --duration 10",
        "websocket-handler verify --profile staging --clients 100 --json",
    ),
    epilog="URL is ws:// or wss://; clients are spread over several. Without one it is that of --profile. Exit "
    "codes: 0 every promise was kept; 6 one was "
    "broken; 1 the run could not judge; 2 wrong arguments.",
)
@click.argument("urls", metavar="URL", nargs=-1)
@click.option(
    "--publish-url",
    "publish_urls",
    metavar="URL",
    multiple=True,
    help="where publishers connect (default: URL); http:// or https:// uses the HTTP API; may be repeated",
)
@_numbers
@click.option(
    "--token",
    "tokens",
    metavar="TOKEN",
    multiple=True,
    help="with the rights subscribe and publish on the projects; may be repeated: clients take turns (default: "
    "WEBSOCKET_HANDLER_TOKEN, or that of the profile)",
)
@click.option("--profile", metavar="NAME", help=PROFILE)
@click.option(
    "--project-prefix",
    default="verify-",
    metavar="PREFIX",
    help="the projects are PREFIX1, PREFIX2, … (default: verify-)",
)
@click.option("--json", "wants_json", is_flag=True, help="write the result as JSON")
def command(wants_json: bool, **given: Any) -> int:
    """Verify a deployment."""
    try:
        plan = Plan(**_with_target(**given))
    except PlanError as error:
        sys.stderr.write(f"websocket-handler verify: {error}\n")
        return EXIT_USAGE
    report = uvloop.run(_run(plan, Table(sys.stderr)))
    sys.stdout.write(f"{as_json(report) if wants_json else as_text(report)}\n")
    return report.exit_code


def _with_target(urls: Sequence[str], tokens: Sequence[str], profile: str | None, **given: Any) -> dict[str, Any]:
    """What a plan takes, with URL and token as every client command finds them. Raises click.UsageError."""
    if not urls and profile is None:  # it loads a deployment: no default may name one by itself
        raise click.UsageError("the following arguments are required: URL, or --profile NAME")
    target = find_target(urls[0] if urls else None, tokens[0] if tokens else None, profile)
    found = tokens or ((target.token,) if target.token else ())
    return {**given, "urls": urls or (target.socket_url,), "tokens": found}


def verify(arguments: Sequence[str]) -> int:
    """Run the command. Returns the exit code: 0 every promise was kept, 6 one was broken, 1 the run could not judge, 2
    wrong arguments."""
    return run(command, arguments, "websocket-handler verify")


class Table:
    """The live table: a row that is renewed on a terminal, one below the other elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self.every_s = TERMINAL_ROW_EVERY_S if self._is_terminal else ROW_EVERY_S
        self._write(f"{TITLES}\n")

    def show(self, row: str) -> None:
        """Show a row."""
        self._write(f"{CLEARED}{row}" if self._is_terminal else f"{row}\n")

    def end(self) -> None:
        """Nothing more comes."""
        self._write("\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


async def _run(plan: Plan, table: Table) -> Report:
    verification = Verification(plan, table.show, table.every_s)
    with_signals(verification.stop)
    report = await verification.run()
    table.show(verification.row())
    table.end()
    return report


def with_signals(stop: Callable[[], None]) -> None:
    """Call `stop` at the first SIGINT or SIGTERM. The second one does what it does without this."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def stopped() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)
        stop()

    for number in numbers:
        loop.add_signal_handler(number, stopped)
