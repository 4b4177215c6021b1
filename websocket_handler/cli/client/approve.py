"""`approve`: lists what runs ask people, and answers one of these questions."""

from __future__ import annotations

import sys
import uuid
from dataclasses import dataclass
from typing import Any, Final

import click
import msgspec

from websocket_handler.cli import EXIT_FAILED
from websocket_handler.cli.client.asking import ClientError, ask_again, publish_again, run_client
from websocket_handler.cli.client.commands import CODES, JSON, PROJECT
from websocket_handler.cli.client.pages import pages
from websocket_handler.cli.client.showing import notice
from websocket_handler.cli.grammar import Command
from websocket_handler.cli.target import Target, find_target, target_options
from websocket_handler.cli.verify.links import Dial, dialing, read
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.protocol.codes import ErrorCode

APPROVED: Final = msgspec.Raw(b'{"approved":true}')
DENIED: Final = msgspec.Raw(b'{"approved":false}')
EMPTY: Final[dict[str, Any]] = {"state": {}, "messages": [], "tools": [], "context": [], "forwardedProps": {}}
"""What a RunAgentInput of AG-UI has besides."""


@dataclass(frozen=True, slots=True)
class Question:
    """An open interrupt. `agent` is who asked; None if nobody said so."""

    interrupt: dict[str, Any]
    agent: str | None

    @property
    def text(self) -> str:
        """What is asked, on one line."""
        asked = str(self.interrupt.get("message") or self.interrupt["reason"])
        return "".join(character if character.isprintable() else " " for character in asked)


class Questions:
    """Reads a log, and knows which questions of runs are open at its end."""

    def __init__(self, project_id: str) -> None:
        self._fold = Fold(project_id)
        self._agents: dict[str, str] = {}

    def read(self, payload: bytes) -> None:
        """Take a publication."""
        fields = read(payload)
        run_id, agent = fields.get("runId"), fields.get("agent")
        if isinstance(run_id, str) and isinstance(agent, str):
            self._agents[run_id] = agent
        self._fold.publication(payload)

    def open(self) -> list[Question]:
        """The open questions, oldest first."""
        asked = self._fold.ends.interrupts.values()
        return [Question(each, self._agents.get(each["runId"])) for each in asked]


@click.command(
    cls=Command,
    help="List what the runs of a project ask people: the interrupts of AG-UI that nobody has answered. With "
    "INTERRUPT, approve it, or deny it with --deny: the agent that asked gets a task with the answer, and the "
    "project is told.",
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
    target = find_target(**where)
    if interrupt_id is None:
        return run_client(_list(target, project, is_json), "approve")
    answer = payload or (DENIED if is_denied else APPROVED)
    return run_client(_answer(target, project, interrupt_id, answer, agent, is_json), "approve")


async def _questions(dial: Dial, target: Target, project_id: str) -> list[Question]:
    questions = Questions(project_id)
    async for page in pages(dial, target, project_id, 0, None):
        for raw in page.messages:
            questions.read(bytes(raw))
    return questions.open()


async def _list(target: Target, project_id: str, is_json: bool) -> int:
    async with dialing() as dial:
        questions = await _questions(dial, target, project_id)
    for each in questions:
        row = {**each.interrupt, "agent": each.agent}
        line = f"{each.interrupt['id']}  {each.agent or '-'}  {each.text}"
        sys.stdout.write(f"{msgspec.json.encode(row).decode() if is_json else line}\n")
    notice(f"{len(questions)} open")
    return 0


async def _answer(
    target: Target, project_id: str, interrupt_id: str, payload: msgspec.Raw, agent: str | None, is_json: bool
) -> int:
    """Hand the answer to the agent's queue, then tell the project that a run has begun which goes on with it. Its id
    follows from the interrupt, so that whoever answers a second time does nothing new."""
    async with dialing() as dial:
        found = [each for each in await _questions(dial, target, project_id) if each.interrupt["id"] == interrupt_id]
        if not found:
            raise ClientError(f"{project_id} has no open interrupt {interrupt_id!r}", EXIT_FAILED)
        asker, parent = agent or found[0].agent, found[0].interrupt["runId"]
        if asker is None:
            raise ClientError("nobody said which agent asks: give --agent", EXIT_FAILED)
        run_id = uuid.uuid5(uuid.NAMESPACE_URL, f"{project_id}/{parent}/{interrupt_id}").hex
        names = {"threadId": project_id, "runId": run_id}
        answer = {"interruptId": interrupt_id, "status": "resolved", "payload": payload}
        given = {**names, "parentRunId": parent, **EMPTY, "resume": [answer]}
        command = {"action": "forward", "type": asker, "project_id": project_id, "data": given, "message_id": run_id}
        reply = await ask_again(dial, target, command)
        agent_name = read(reply)["agent"]
        begun = {"type": "RUN_STARTED", **names, "input": given, "agent": agent_name, "task_id": run_id}
        begun |= {"producer": f"{agent_name}:{run_id}:started", "sequence": 0}  # as the agent's SDK numbers it
        try:
            await publish_again(dial, target, project_id, msgspec.json.encode(begun), None)
        except ClientError as fault:
            if not str(fault).startswith(f"{ErrorCode.CONFLICT}:"):
                raise
            notice("the agent had begun already")
    sys.stdout.write(f"{reply if is_json else run_id}\n")
    return 0
