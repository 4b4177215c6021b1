"""`lint-stream`: says where events of agents break the rules of AG-UI, and which clients stop there."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from websocket_handler.cli import EXIT_BROKEN, EXIT_FAILED
from websocket_handler.cli.client.asking import ask_again, run_client
from websocket_handler.cli.client.fixtures import MARK
from websocket_handler.cli.client.place import read_project_id
from websocket_handler.cli.client.showing import notice
from websocket_handler.cli.grammar import Command
from websocket_handler.cli.target import Target, find_target, target_options
from websocket_handler.cli.verify.links import dialing
from websocket_handler.logs.runs.referee import Referee, Violation
from websocket_handler.logs.runs.vocabulary import Generation

PAGE_MAX: Final = 1000
CLIENTS: Final = {Generation.V1: "@ag-ui/client 1.0", Generation.V0: "@ag-ui/client 0.0.59 (CopilotKit)"}
Fields = dict[str, Any]


class UnreadableError(Exception):
    """What was given is neither JSON lines nor a JSON list nor an event stream."""


@click.command(
    cls=Command,
    help="Check the events of agents in a project's log, or in a file: JSON lines as `history --json` and `export` "
    "print them, a JSON list of events, or an event stream as a client gets it. - reads stdin. Each broken rule is a "
    "line: where, what is wrong, and which clients stop there.",
    examples=(
        "websocket-handler lint-stream proj_123",
        "websocket-handler lint-stream events.jsonl --client 0.0.59",
        "websocket-handler history proj_123 --json | websocket-handler lint-stream -",
    ),
    epilog="Exit codes: 0 no client stops; 1 unreadable; 2 wrong arguments; 4 no gateway answered; 5 the token does "
    "not allow it; 6 a client stops.",
)
@click.argument("source", metavar="PROJECT|FILE|-")
@click.option("--client", type=click.Choice([each.value for each in Generation]), help="only where this one stops")
@click.option("--json", "is_json", is_flag=True, help="each line is one object")
@target_options
def command(source: str, client: str | None, is_json: bool, **where: Any) -> int:
    """Lint a log or a stream."""
    only = Generation(client) if client is not None else None
    if source == "-" or Path(source).is_file():
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8", errors="replace")
        try:
            objects = list(objects_in(text))
        except UnreadableError as fault:
            notice(str(fault))
            return EXIT_FAILED
        return report(objects, only, is_json=is_json)
    try:
        project_id = read_project_id(source)
    except ValueError as fault:
        raise click.UsageError(f"{source!r} is no file, and no project: {fault}") from None
    return run_client(_lint_project(find_target(**where), project_id, only, is_json), "lint-stream")


def objects_in(text: str) -> Iterator[Fields]:
    """The objects of JSON lines, of an export, of a JSON list, or of an event stream. Raises UnreadableError."""
    if text.lstrip()[:1] == "[":
        try:
            yield from msgspec.json.decode(text, type=list[Fields])
        except msgspec.DecodeError as fault:
            raise UnreadableError(f"no list of JSON objects: {fault}") from None
        return
    for number, line in enumerate(text.splitlines(), 1):
        payload = line.removeprefix("data:").strip()
        if not payload or line.startswith((":", "id:", "event:", "retry:")):
            continue
        try:
            fields = msgspec.json.decode(payload, type=Fields)
        except msgspec.DecodeError as fault:
            raise UnreadableError(f"line {number} is no JSON object: {fault}") from None
        if MARK not in fields:
            yield fields


def report(objects: Iterable[Fields], only: Generation | None, *, is_json: bool) -> int:
    """Print each violation. Returns the exit code. Objects with an offset are of a log, others of a stream."""
    referee: Referee | None = None
    stopping = shown = 0
    for fields in objects:
        if referee is None:
            referee = Referee(is_single="offset" not in fields)
        for violation in referee.see(fields):
            if only is not None and only not in violation.stops:
                continue
            sys.stdout.write(f"{_line(violation, is_json=is_json)}\n")
            shown += 1
            stopping += bool(violation.stops)
    notice(f"{referee.events if referee else 0} events, {shown} violations; clients stop at {stopping} of them")
    return EXIT_BROKEN if stopping else 0


def _line(violation: Violation, *, is_json: bool) -> str:
    if is_json:
        return msgspec.json.encode(violation.as_object()).decode()
    stops = " and ".join(CLIENTS[each] for each in violation.stops) or "no client"
    text = "".join(each if each.isprintable() else "?" for each in violation.text)
    return f"{violation.offset}  {violation.rule}  {text}; {stops} stops here"


class _Page(msgspec.Struct):
    epoch: str
    messages: list[Fields]
    offset: int


async def _lint_project(target: Target, project_id: str, only: Generation | None, is_json: bool) -> int:
    objects: list[Fields] = []
    after = 0
    async with dialing() as dial:
        while True:
            question = {"action": "history", "project_id": project_id, "after": after, "limit": PAGE_MAX}
            page = msgspec.json.decode(await ask_again(dial, target, question), type=_Page)
            if not page.messages:
                break
            objects += page.messages
            after = page.offset
    return report(objects, only, is_json=is_json)
