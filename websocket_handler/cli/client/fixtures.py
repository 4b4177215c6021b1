"""`export` and `replay`: an incident becomes a file, and the file becomes a project again.

The file has one JSON object a line. The first one says what it is, and so does one before each new epoch. Every other
line is a publication, byte for byte as its followers got it: with its offset, and the time at which it was published.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final

import click
import msgspec

from websocket_handler.cli.client.asking import publish_again, run_client
from websocket_handler.cli.client.commands import CODES, PROJECT, Parsed
from websocket_handler.cli.client.pages import pages
from websocket_handler.cli.client.showing import notice
from websocket_handler.cli.grammar import WHOLE, Command
from websocket_handler.cli.target import Target, find_target, target_options
from websocket_handler.cli.verify.links import dialing

MARK: Final = "websocket_handler_export"
"""The field that a line has which is no publication."""
VERSION: Final = 1
PUBLISHED_AT: Final = "published_at"
ADDED: Final = frozenset({"project_id", "offset", PUBLISHED_AT})
"""Fields that the gateway added, and that it adds again."""
SPEED_MAX: Final = 1000.0


class Head(msgspec.Struct, forbid_unknown_fields=True):
    """A line that says from where the publications behind it are."""

    websocket_handler_export: int
    project_id: str
    epoch: str


class Entry(msgspec.Struct):
    """A publication of the file: what was published, when (None if nobody knows), and its key for every replay."""

    body: bytes
    at_ms: int | None
    key: str
    project_id: str | None


@click.command(
    cls=Command,
    help="Write a project's log to a file, one publication a line, each with its position, its time and its own bytes. "
    "replay publishes the file again.",
    examples=(
        "websocket-handler export proj_123 --output incident.jsonl",
        "websocket-handler export proj_123 --after 57 --limit 100 | gzip > incident.jsonl.gz",
    ),
    epilog=f"{CODES}.",
)
@click.argument("project", metavar="PROJECT", type=PROJECT)
@click.option("--after", type=WHOLE, default=0, metavar="OFFSET", help="only what comes behind it")
@click.option("--limit", type=WHOLE, metavar="N", help="at most so many publications (default: all)")
@click.option("--output", "file", type=click.File("wb", lazy=True), default="-", metavar="FILE", help="default: stdout")
@target_options
def export(project: str, after: int, limit: int | None, file: BinaryIO, **where: Any) -> int:
    """Write a log to a file."""
    if after < 0 or (limit is not None and limit < 1):
        raise click.UsageError("--after is at least 0, and --limit at least 1")
    return run_client(_export(find_target(**where), project, after, limit, file), "export")


async def _export(target: Target, project_id: str, after: int, limit: int | None, file: BinaryIO) -> int:
    count, epoch = 0, None
    async with dialing() as dial:
        async for page in pages(dial, target, project_id, after, limit):
            if page.epoch != epoch:
                epoch = page.epoch
                file.write(msgspec.json.encode(Head(VERSION, project_id, epoch)) + b"\n")
            for raw in page.messages:
                file.write(bytes(raw) + b"\n")
            count += len(page.messages)
    notice(f"{count} publications of {project_id}")
    return 0


class Speed(Parsed):
    """How many times as fast as it was, or `max` for without a pause."""

    def __init__(self) -> None:
        super().__init__("speed", _read_speed)


def _read_speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= SPEED_MAX:
        raise ValueError(f"{text!r} is neither max, nor a number above 0 and at most {SPEED_MAX:.0f}")
    return speed


@click.command(
    cls=Command,
    help="Publish the file of an export in another project, with the pauses that were between its publications. Each "
    "has a key of its own, so that what is sent twice within five minutes is published once. - reads stdin.",
    examples=(
        "websocket-handler replay incident.jsonl --project copy-1",
        "websocket-handler replay incident.jsonl --project copy-1 --speed 10",
        "websocket-handler replay incident.jsonl --project copy-1 --speed max --json",
    ),
    epilog=f"{CODES}.",
)
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--project", required=True, metavar="PROJECT", type=PROJECT, help="where to; not the project of the file")
@click.option("--speed", type=Speed(), default="1", metavar="N|max", help="N times as fast, or max: without a pause")
@click.option("--keep-times", is_flag=True, help="each keeps its published_at, as a field of its own")
@click.option("--json", "is_json", is_flag=True, help="print the end as an object")
@target_options
def replay(file: str, project: str, speed: float | None, keep_times: bool, is_json: bool, **where: Any) -> int:
    """Publish a file."""
    try:
        with click.open_file(file, "rb") as lines:
            entries = list(read_export(lines, keep_times=keep_times))
    except ValueError as fault:
        raise click.UsageError(f"{file}: {fault}") from fault
    except OSError as fault:
        raise click.UsageError(f"{file}: {fault.strerror}") from fault
    if any(entry.project_id == project for entry in entries):
        raise click.UsageError(f"{file} is of {project} itself: name another project")
    return run_client(_replay(find_target(**where), project, entries, speed, is_json), "replay")


def read_export(lines: Iterable[bytes], *, keep_times: bool = False) -> Iterator[Entry]:
    """The publications of an export, or of what `history --json` prints. Raises ValueError."""
    for number, line in enumerate(lines, 1):
        try:
            fields = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
            if MARK in fields:
                head = msgspec.json.decode(line, type=Head)
                if head.websocket_handler_export != VERSION:
                    raise ValueError(f"version {head.websocket_handler_export} is unknown")
                continue
            project_id = _value(fields, "project_id", str)
            at_ms = _value(fields, PUBLISHED_AT, int)
        except ValueError as fault:
            raise ValueError(f"line {number}: {fault}") from fault
        added = ADDED - {PUBLISHED_AT} if keep_times or at_ms is None else ADDED
        kept = {name: value for name, value in fields.items() if name not in added}
        key = f"replay:{hashlib.sha256(line.strip()).hexdigest()[:40]}"
        yield Entry(msgspec.json.encode(kept), at_ms, key, project_id)


def _value(fields: dict[str, msgspec.Raw], name: str, kind: type[Any]) -> Any:
    """A field of this type; None if it is missing or of another type."""
    try:
        return msgspec.json.decode(fields[name], type=kind) if name in fields else None
    except msgspec.ValidationError:
        return None


async def _replay(target: Target, project_id: str, entries: list[Entry], speed: float | None, is_json: bool) -> int:
    loop = asyncio.get_running_loop()
    due_at, before, answer = loop.time(), None, {}
    async with dialing() as dial:
        for entry in entries:
            if speed is not None and entry.at_ms is not None:
                if before is not None and entry.at_ms > before:
                    due_at += (entry.at_ms - before) / 1000 / speed
                before = entry.at_ms
                await asyncio.sleep(max(0.0, due_at - loop.time()))
            answer = await publish_again(dial, target, project_id, entry.body, entry.key)
    end = {
        "project_id": project_id,
        "publications": len(entries),
        **{name: answer.get(name) for name in ("epoch", "offset")},
    }
    notice(f"{len(entries)} publications")
    if is_json:
        sys.stdout.write(f"{msgspec.json.encode(end).decode()}\n")
    elif entries:
        sys.stdout.write(f"{project_id}@{end['epoch']}:{end['offset']}\n")
    return 0
