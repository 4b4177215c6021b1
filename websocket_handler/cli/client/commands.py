"""`tail`, `publish`, `forward`, `history`, `drain` and `projects`: data on stdout, everything else on stderr."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import click
import msgspec

from websocket_handler.cli import EXIT_FAILED, EXIT_USAGE
from websocket_handler.cli.client.asking import (
    ClientError,
    ask,
    ask_again,
    call_api,
    name_of_node,
    read_json,
    run_client,
)
from websocket_handler.cli.client.followed import count_followers
from websocket_handler.cli.client.following import Follower
from websocket_handler.cli.client.pages import pages
from websocket_handler.cli.client.place import Begin, Position, read_project, read_project_id, read_since
from websocket_handler.cli.client.showing import Printer, notice
from websocket_handler.cli.client.tasks import is_about, outcome
from websocket_handler.cli.grammar import WHOLE, Command
from websocket_handler.cli.target import Target, find_target, target_options
from websocket_handler.cli.verify.links import dialing, read

CODES: Final = "Exit codes: 0 done; 1 failed; 2 wrong arguments; 4 no gateway answered; 5 the token does not allow it"
GAVE_UP: Final = "no end of the task within --timeout"


class Parsed(click.ParamType[Any]):
    """An argument that a function reads, which raises ValueError."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as fault:
            self.fail(str(fault), param, ctx)


PROJECT: Final = Parsed("project", read_project_id)
PLACE: Final = Parsed("place", read_project)
SINCE: Final = Parsed("since", read_since)
JSON: Final = Parsed("json", read_json)
Place = tuple[str, Position | None]


@click.command(
    cls=Command,
    help="Print the updates of a project as they come, each once: through cuts, restarts and drains it resumes by "
    "itself. What is missing is told on stderr.",
    examples=(
        "websocket-handler tail proj_123",
        "websocket-handler tail proj_123 --since 10m",
        "websocket-handler tail proj_123@e7Kq2:57 --json | jq .type",
    ),
    epilog=f"{CODES}; 130 Ctrl-C.",
)
@click.argument("place", metavar="PROJECT[@EPOCH:OFFSET]", type=PLACE)
@click.option("--since", type=SINCE, metavar="WHEN", help="begin earlier: 30s, 10m, 2h, 1d, start, or EPOCH:OFFSET")
@click.option("--count", type=WHOLE, metavar="N", help="end after N updates")
@click.option("--json", "is_json", is_flag=True, help="each line is one update, in its publisher's own bytes")
@target_options
def tail(place: Place, since: Begin, count: int | None, is_json: bool, **where: Any) -> int:
    """Follow a project."""
    project_id, position = place
    if since is not None and position is not None:
        raise click.UsageError("--since and @EPOCH:OFFSET both say where to begin")
    return run_client(_tail(find_target(**where), project_id, position or since, count, is_json), "tail")


async def _tail(target: Target, project_id: str, begin: Begin, count: int | None, is_json: bool) -> int:
    printer, left = Printer(project_id, is_json=is_json), count
    async with dialing() as dial:
        updates = Follower(dial, target, project_id, begin, notice).updates()
        async with aclosing(updates):
            async for shown in updates:
                printer.show(shown.text, shown.message, shown.position)
                if left is not None and (left := left - 1) <= 0:
                    break
    return 0


@click.command(
    cls=Command,
    help="Publish a JSON object in a project, and print its position. It is published once, however often it has to be "
    "sent. JSON is sent as it is; - reads it from stdin.",
    examples=(
        'websocket-handler publish proj_123 \'{"type":"hello","text":"Hello"}\'',
        "build-report | websocket-handler publish proj_123 - --key report-42",
    ),
    epilog=f"{CODES}.",
)
@click.argument("project", metavar="PROJECT", type=PROJECT)
@click.argument("message", metavar="JSON", type=JSON)
@click.option("--key", metavar="KEY", help="its idempotency key (default: a new one)")
@click.option("--json", "is_json", is_flag=True, help="print the gateway's reply")
@target_options
def publish(project: str, message: msgspec.Raw, key: str | None, is_json: bool, **where: Any) -> int:
    """Publish an object."""
    command = {"action": "publish", "project_id": project, "message": message, "key": key or secrets.token_hex(16)}

    def told(reply: dict[str, Any]) -> str:
        return f"{project}@{reply['epoch']}:{reply['offset']}"

    return run_client(_ask_and_print(find_target(**where), command, is_json, told), "publish")


async def _ask_and_print(
    target: Target, command: dict[str, Any], is_json: bool, told: Callable[[dict[str, Any]], str]
) -> int:
    text = await ask(target, command)
    sys.stdout.write(f"{text if is_json else told(read(text))}\n")
    return 0


@click.command(
    cls=Command,
    help="Hand a task to an agent, and print its id as soon as the agent's queue holds it. With --wait, print what is "
    "said about the task until it ends; the exit code tells how.",
    examples=(
        'websocket-handler forward dev \'{"text":"Build a login page"}\' --project proj_123 --wait',
        'websocket-handler forward qa \'{"suite":"all"}\'',
    ),
    epilog=f"{CODES}. With --wait: 0 the task is done; 1 it failed.",
)
@click.argument("agent", metavar="AGENT")
@click.argument("data", metavar="JSON", type=JSON)
@click.option("--project", type=PROJECT, metavar="PROJECT", help="the project in which the agent answers")
@click.option("--message-id", metavar="ID", help="the task's id: the same again is the same task (default: a new one)")
@click.option("--wait", "waits", is_flag=True, help="follow the task to its end; needs --project")
@click.option("--timeout", type=WHOLE, metavar="SECONDS", help="with --wait: how long (default: as long as it takes)")
@click.option("--json", "is_json", is_flag=True, help="print the gateway's reply, and updates in their own bytes")
@target_options
def forward(
    agent: str,
    data: msgspec.Raw,
    project: str | None,
    message_id: str | None,
    waits: bool,
    timeout: int | None,
    is_json: bool,
    **where: Any,
) -> int:
    """Forward a task."""
    if waits and project is None:
        raise click.UsageError("--wait needs --project: the agent answers there")
    command = {"action": "forward", "type": agent, "data": data, "message_id": message_id or secrets.token_hex(16)}
    if project is not None:
        command["project_id"] = project
    target = find_target(**where)
    if not waits or project is None:
        return run_client(_ask_and_print(target, command, is_json, lambda reply: str(reply["message_id"])), "forward")
    return run_client(_within(timeout, partial(_forward_and_wait, target, command, project, is_json)), "forward")


async def _within(timeout_s: int | None, work: Callable[[], Any]) -> int:
    try:
        async with asyncio.timeout(timeout_s):
            code: int = await work()
    except TimeoutError:
        raise ClientError(GAVE_UP, EXIT_FAILED) from None
    return code


async def _forward_and_wait(target: Target, command: dict[str, Any], project_id: str, is_json: bool) -> int:
    """Follow the project first, so that nothing that is said about the task is missed."""
    printer = Printer(project_id, is_json=is_json)
    async with dialing() as dial:
        follower = Follower(dial, target, project_id, None, notice)
        updates = follower.updates()
        async with aclosing(updates):
            first = asyncio.ensure_future(anext(updates))
            subscribed = asyncio.ensure_future(follower.until_subscribed())
            await asyncio.wait({first, subscribed}, return_when=asyncio.FIRST_COMPLETED)
            if not subscribed.done():
                subscribed.cancel()
                await first  # it raises what is in the way
            text = await ask_again(dial, target, command)
            reply = read(text)
            sys.stdout.write(f"{text if is_json else reply['message_id']}\n")
            sys.stdout.flush()
            while True:
                shown = await first
                first = asyncio.ensure_future(anext(updates))
                if not is_about(reply["message_id"], shown.message):
                    continue
                printer.show(shown.text, shown.message, shown.position)
                end = outcome(str(reply["agent"]), shown.message)
                if end is not None:
                    first.cancel()
                    await asyncio.wait({first})
                    return 0 if end else EXIT_FAILED


@click.command(
    cls=Command,
    help="Print what a project's log retains, oldest first.",
    examples=(
        "websocket-handler history proj_123",
        "websocket-handler history proj_123 --after 57 --limit 10 --json",
    ),
    epilog=f"{CODES}.",
)
@click.argument("project", metavar="PROJECT", type=PROJECT)
@click.option("--after", type=WHOLE, default=0, metavar="OFFSET", help="only what comes behind it")
@click.option("--limit", type=WHOLE, metavar="N", help="at most so many (default: all)")
@click.option("--json", "is_json", is_flag=True, help="each line is one update, in its publisher's own bytes")
@target_options
def history(project: str, after: int, limit: int | None, is_json: bool, **where: Any) -> int:
    """Print a log."""
    if after < 0 or (limit is not None and limit < 1):
        raise click.UsageError("--after is at least 0, and --limit at least 1")
    return run_client(_history(find_target(**where), project, after, limit, is_json), "history")


async def _history(target: Target, project_id: str, after: int, limit: int | None, is_json: bool) -> int:
    printer = Printer(project_id, is_json=is_json)
    async with dialing() as dial:
        async for page in pages(dial, target, project_id, after, limit):
            for raw in page.messages:
                message = read(bytes(raw))
                printer.show(bytes(raw).decode(), message, Position(page.epoch, message["offset"]))
    return 0


@click.command(
    cls=Command,
    help="Let a node take no new clients, and tell those that it has to come back elsewhere, as SIGTERM does. The "
    "process goes on until it is ended. Without NODE it is the node that answers. Needs the right admin.",
    examples=("websocket-handler drain", "websocket-handler drain gateway-1 --yes --json"),
    epilog=f"{CODES}.",
)
@click.argument("node", metavar="[NODE]", required=False)
@click.option("--yes", "is_sure", is_flag=True, help="do not ask before")
@click.option("--json", "is_json", is_flag=True, help="print the gateway's reply")
@target_options
def drain(node: str | None, is_sure: bool, is_json: bool, **where: Any) -> int:
    """Drain a node."""
    return run_client(_drain(find_target(**where), node, is_sure, is_json), "drain")


async def _drain(target: Target, node: str | None, is_sure: bool, is_json: bool) -> int:
    async with dialing() as dial:
        if node is None:
            node = await name_of_node(dial, target)
        if not is_sure:
            count = (await call_api(dial, target, "GET", "/api/v1/connections?limit=1"))["count"]
            notice(f"{node} is to drain; there are {count} connections")
            if not sys.stdin.isatty():
                raise ClientError("nobody is there to be asked: give --yes", EXIT_USAGE)
            sys.stderr.write("Go on? [y/N] ")
            sys.stderr.flush()
            if sys.stdin.readline().strip().lower() not in ("y", "yes"):
                return EXIT_FAILED
        reply = await call_api(dial, target, "POST", f"/api/v1/nodes/{quote(node, safe='')}/drain")
    sys.stdout.write(f"{msgspec.json.encode(reply).decode() if is_json else node}\n")
    return 0


@click.command(
    cls=Command,
    help="List the projects that somebody follows, with the number of connections. Needs the right admin.",
    examples=("websocket-handler projects", "websocket-handler projects --json"),
    epilog=f"{CODES}.",
)
@click.option("--json", "is_json", is_flag=True, help="one object per line")
@target_options
def projects(is_json: bool, **where: Any) -> int:
    """List projects."""
    return run_client(_projects(find_target(**where), is_json), "projects")


async def _projects(target: Target, is_json: bool) -> int:
    async with dialing() as dial:
        followed = await count_followers(dial, target)
    for project_id, count in sorted(followed.items()):
        row = {"project_id": project_id, "connections": count}
        sys.stdout.write(f"{msgspec.json.encode(row).decode() if is_json else f'{project_id}  {count}'}\n")
    return 0
