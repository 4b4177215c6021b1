"""`approve`: lists what runs ask people, and answers one of these questions."""

from __future__ import annotations

import sys
from typing import Any, Final
from urllib.parse import quote

import click
import msgspec

from websocket_handler.cli.client.asking import call_api, run_client
from websocket_handler.cli.client.commands import CODES, JSON, PROJECT
from websocket_handler.cli.client.showing import notice
from websocket_handler.cli.grammar import Command
from websocket_handler.cli.target import Target, find_target, target_options
from websocket_handler.cli.verify.links import dialing

APPROVED: Final = msgspec.Raw(b'{"approved":true}')
DENIED: Final = msgspec.Raw(b'{"approved":false}')


@click.command(
    cls=Command,
    help="List what the runs of a project ask people: the interrupts of AG-UI that nobody has answered. With "
    "INTERRUPT, approve it, or deny it with --deny: the agent that asked gets a task with the answer, and its id is "
    "printed. The first answer counts.",
    examples=(
        "websocket-handler approve proj_123",
        "websocket-handler approve proj_123 int-1",
        "websocket-handler approve proj_123 int-1 --deny",
        'websocket-handler approve proj_123 int-1 --payload \'{"approved":true,"limit":10}\'',
    ),
    epilog=f"{CODES}. An interrupt that is not open is 1.",
)
@click.argument("project", metavar="PROJECT", type=PROJECT)
@click.argument("interrupt_id", metavar="[INTERRUPT]", required=False)
@click.option("--deny", "is_denied", is_flag=True, help="answer no")
@click.option(
    "--payload", type=JSON, metavar="JSON", help="the answer itself, where the agent wants more than yes or no"
)
@click.option("--agent", metavar="AGENT", help="who gets the answer (default: who asked)")
@click.option("--json", "is_json", is_flag=True, help="one object per question, or the gateway's reply")
@target_options
def command(
    project: str,
    interrupt_id: str | None,
    is_denied: bool,
    payload: msgspec.Raw | None,
    agent: str | None,
    is_json: bool,
    **where: Any,
) -> int:
    """List or answer."""
    if interrupt_id is None and (is_denied or payload is not None or agent is not None):
        raise click.UsageError("--deny, --payload and --agent need an INTERRUPT")
    if is_denied and payload is not None:
        raise click.UsageError("--deny and --payload both are the answer")
    target, path = find_target(**where), f"/api/v1/projects/{project}/interrupts"
    if interrupt_id is None:
        return run_client(_list(target, path, is_json), "approve")
    answer = {"payload": payload or (DENIED if is_denied else APPROVED), "agent": agent}
    return run_client(_answer(target, f"{path}/{quote(interrupt_id, safe='')}", answer, is_json), "approve")


async def _list(target: Target, path: str, is_json: bool) -> int:
    async with dialing() as dial:
        questions = (await call_api(dial, target, "GET", path))["interrupts"]
    for each in questions:
        line = f"{each['id']}  {each.get('agent', '-')}  {_text_of(each)}"
        sys.stdout.write(f"{msgspec.json.encode(each).decode() if is_json else line}\n")
    notice(f"{len(questions)} open")
    return 0


def _text_of(interrupt: dict[str, Any]) -> str:
    """What is asked, on one line."""
    asked = str(interrupt.get("message") or interrupt["reason"])
    return "".join(character if character.isprintable() else " " for character in asked)


async def _answer(target: Target, path: str, answer: dict[str, Any], is_json: bool) -> int:
    async with dialing() as dial:
        reply = await call_api(dial, target, "POST", path, msgspec.json.encode(answer))
    sys.stdout.write(f"{msgspec.json.encode(reply).decode() if is_json else reply['message_id']}\n")
    return 0
