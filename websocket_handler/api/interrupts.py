"""Open questions of runs to people: who lists them, and who answers first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from websocket_handler.access.rights import check
from websocket_handler.api.access import note_action, visitor_of
from websocket_handler.api.gateway import Gateway, Waiter, head_of_json, json_response, read_body
from websocket_handler.api.projects import project_id_of
from websocket_handler.api.streams import PAGE
from websocket_handler.delivery.decisions import fold_now, task_id_of
from websocket_handler.logs.project import Project
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.vocabulary import Fields
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import ADMIN, FORWARD
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.names import Agent
from websocket_handler.protocol.publication import read_object

ANYBODY: Final = "anybody"
"""Who decides where nobody has to say who they are."""


NAME_CHARACTERS_MAX: Final = 128
"""So much of a name that an agent has given is told of what an operator did."""


class _Answer(Struct):
    status: Literal["resolved", "cancelled"] = "resolved"
    payload: Raw | UnsetType = UNSET
    agent: Agent | None = None


class InterruptRoutes:
    """Everything under `/api/v1/projects/{id}/interrupts`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def list(self, request: Request) -> Response:
        """GET interrupts: what people are asked, and nobody has answered yet."""
        project_id = project_id_of(request)
        if request.method == "HEAD":
            return head_of_json()
        with self._gateway.node.feed(project_id, limits=PAGE):
            fold, position = await self._newest(project_id), self._gateway.node.project(project_id).journal.log.position
            asked = [each for each in fold.ends.interrupts.values() if not self._has_expired(each)] if fold else []
        answer = {"project_id": project_id, "epoch": position.epoch, "offset": position.offset, "interrupts": asked}
        return json_response(msgspec.json.encode(answer))

    async def answer(self, request: Request) -> Response:
        """POST interrupts/{interrupt_id}: answer it, if nobody has."""
        node, project_id = self._gateway.node, project_id_of(request)
        interrupt_id = request.path_params["interrupt_id"]
        body = await read_body(request, self._gateway)
        node.check_size(body)
        asked = _read(body)
        with node.feed(project_id, limits=PAGE):
            interrupt = self._find(request, await self._newest(project_id), interrupt_id, asked)
            project = node.project(project_id)
            waiter, by = Waiter(), visitor_of(request).identity.user_id or ANYBODY
            value: Fields = {"status": asked.status, "agent": interrupt["agent"], "by": by}
            value |= {"at": self._gateway.clock.timestamp()}
            value |= {} if isinstance(asked.payload, UnsetType) else {"payload": asked.payload}
            self._gateway.decisions.decide(project, interrupt, value, waiter.done)
            try:
                position = await waiter.result(Position)
            except CommandError as fault:
                if fault.code not in (ErrorCode.ALREADY_DECIDED, ErrorCode.CONFLICT):
                    raise
                raise self._already(fold_now(project), interrupt_id, fault) from None
            self._note(request, interrupt, asked)
            receipt = await self._send(project, interrupt_id)
        answer = {
            "type": "decision_confirmed",
            "project_id": project_id,
            "interrupt_id": interrupt_id,
            "message_id": task_id_of(project_id, interrupt["runId"], interrupt_id, interrupt["askedOffset"]),
            "agent": interrupt["agent"],
            "receipt": receipt,
            "epoch": position.epoch,
            "offset": position.offset,
        }
        return json_response(msgspec.json.encode(answer))

    def _note(self, request: Request, interrupt: Fields, asked: _Answer) -> None:
        """Note a decision of an operator. Whoever else decides, their name is in the project's log."""
        if visitor_of(request).identity.may(ADMIN):
            names = {"interrupt_id": interrupt["id"], "run_id": interrupt["runId"], "agent": interrupt["agent"]}
            told = {name: str(value)[:NAME_CHARACTERS_MAX] for name, value in names.items()}
            action = "approve" if asked.status == "resolved" else "refuse"
            note_action(self._gateway, request, action, of_project_id=project_id_of(request), **told)

    async def _newest(self, project_id: str) -> Fold | None:
        """The fold of the project, with what was saved of its runs, and what other nodes have written until now."""
        project = self._gateway.node.project(project_id)
        for ask in (project.journal.catch_up, project.saved_runs.find):
            waiter = Waiter()
            ask(waiter.done)
            await waiter.result(type(None))
        return fold_now(project)

    async def _send(self, project: Project, interrupt_id: str) -> str:
        waiter = Waiter()
        self._gateway.decisions.send(project, interrupt_id, waiter.done)
        return await waiter.result(str)

    def _find(self, request: Request, fold: Fold | None, interrupt_id: str, asked: _Answer) -> Fields:
        """The open interrupt, with its agent. Raises CommandError: `already_decided`, `not_found`, `missing_field`,
        `forbidden`."""
        interrupt = fold.ends.interrupts.get(interrupt_id) if fold is not None else None
        if interrupt is None:
            raise self._already(fold, interrupt_id)
        if self._has_expired(interrupt):
            expired = {"expired_at": str(interrupt["expiresAt"])}
            raise CommandError(ErrorCode.ALREADY_DECIDED, "its time is over", details=expired)
        agent = asked.agent or _agent_of(interrupt)
        check(visitor_of(request).identity, FORWARD[agent], project_id_of(request))
        return interrupt | {"agent": agent.value}

    def _already(self, fold: Fold | None, interrupt_id: str, fault: CommandError | None = None) -> CommandError:
        """Why an interrupt is not open. `fault` is the reason if it was open a moment ago."""
        decision = fold.ends.decisions.get(interrupt_id) if fold is not None else None
        if decision is None:
            return fault or CommandError(ErrorCode.NOT_FOUND, "nobody is asked this")
        told = {"decided_by": decision["by"], "decided_at": decision["at"]}
        text = f"{decision['by']} decided at {decision['at']}"
        return CommandError(ErrorCode.ALREADY_DECIDED, text, details=told)

    def _has_expired(self, interrupt: Fields) -> bool:
        """True if it says until when it may be answered, and that is over."""
        try:
            at = datetime.fromisoformat(interrupt["expiresAt"])
        except (KeyError, TypeError, ValueError):
            return False
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() <= self._gateway.clock.wall()


def _agent_of(interrupt: Fields) -> Agent:
    try:
        return Agent(interrupt.get("agent", ""))
    except ValueError:
        raise CommandError(ErrorCode.MISSING_FIELD, "agent: the run does not say which agent asks") from None


def _read(body: bytes) -> _Answer:
    """Read the body of an answer. Raises CommandError: those of `read_object`, and `invalid_field`."""
    read_object(body).fields()
    try:
        return msgspec.json.decode(body, type=_Answer)
    except msgspec.ValidationError as error:
        raise CommandError(ErrorCode.INVALID_FIELD, f"an answer: {error}") from None
