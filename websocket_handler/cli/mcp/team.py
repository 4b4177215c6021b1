"""What an assistant can do with the agents, as functions that return JSON objects; nothing here knows MCP."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from websocket_handler.cli.client.asking import ask_again, call_api
from websocket_handler.cli.client.followed import count_followers
from websocket_handler.cli.client.following import Follower
from websocket_handler.cli.client.place import Position, read_position, read_project_id
from websocket_handler.cli.client.tasks import is_about, outcome
from websocket_handler.cli.target import Target
from websocket_handler.cli.verify.links import Dial, Message, read

UPDATES_MAX: Final = 200
"""So many updates an answer has at most."""
ANSWER_BYTES_MAX: Final = 64 * 1024
"""An answer ends with the update that reaches this: an assistant reads all of it into its context."""
PROJECTS_MAX: Final = 200
NOTES_MAX: Final = 20
WAIT_MAX_S: Final = 300.0
Answer = dict[str, Any]


@dataclass(slots=True)
class Updates:
    """Updates up to a maximum, oldest first. `is_full` means that the next one has no room."""

    shown: list[Message] = field(default_factory=list)
    is_full: bool = False
    _bytes: int = 0

    def add(self, text: bytes) -> None:
        """Take one more."""
        self.shown.append(read(text))
        self._bytes += len(text)
        self.is_full = self._bytes >= ANSWER_BYTES_MAX or len(self.shown) >= UPDATES_MAX


class Page(msgspec.Struct):
    """A page of history, its publications as they came."""

    epoch: str
    messages: list[msgspec.Raw]
    offset: int
    recovered: bool


class Team:
    """The agents behind a gateway. Every method raises ClientError and ValueError."""

    def __init__(self, dial: Dial, target: Target) -> None:
        self._dial = dial
        self._target = target

    async def agents(self) -> Answer:
        """The agents, and what each is for."""
        told = await call_api(self._dial, self._target, "GET", "/agui/info")
        return {"agents": {name: agent["description"] for name, agent in told["agents"].items()}}

    async def projects(self) -> Answer:
        """The projects that somebody follows, those with most followers first. Needs the right `admin`."""
        followed = await count_followers(self._dial, self._target)
        rows = [{"project": name, "connections": count} for name, count in followed.most_common(PROJECTS_MAX)]
        return {"projects": rows, "not_shown": len(followed) - len(rows)}

    async def send(self, agent: str, project: str, data: Any, task_id: str | None = None) -> Answer:
        """Hand a task to an agent. The answer has what `wait` needs: everything about the task comes behind its
        position."""
        before = await self._head(read_project_id(project))
        command = {"action": "forward", "type": agent, "project_id": project, "data": data}
        command["message_id"] = task_id or secrets.token_hex(16)
        reply = read(await ask_again(self._dial, self._target, command))
        names = {"agent": reply["agent"], "project": project, "task_id": reply["message_id"]}
        return {**names, "position": _told(before)}

    async def wait(self, agent: str, project: str, task_id: str, position: str, timeout_s: float) -> Answer:
        """Wait until a task has ended, or the time is over. `state` is done, failed or running; `updates` are what was
        said about the task behind the position."""
        if not 0 < timeout_s <= WAIT_MAX_S:
            raise ValueError(f"timeout_s must be more than 0 and at most {WAIT_MAX_S:g}")
        begin, notes = read_position(position), list[str]()
        try:
            async with asyncio.timeout(timeout_s):
                await self._until_ended(agent, read_project_id(project), task_id, begin, notes)
        except TimeoutError:
            pass  # what has been said so far is an answer, too
        answer = await self.read(project, position, task_id=task_id)
        ends = [end for end in (outcome(agent, update) for update in answer["updates"]) if end is not None]
        state = {True: "done", False: "failed"}[ends[-1]] if ends else "running"
        return {"state": state, **answer, "notes": [*notes, *answer["notes"]][:NOTES_MAX]}

    async def read(
        self, project: str, position: str | None = None, limit: int = UPDATES_MAX, task_id: str | None = None
    ) -> Answer:
        """What a project's log says behind a position, growing texts joined: without a position, the last `limit`
        publications. With `task_id` only what is about this task."""
        project = read_project_id(project)
        limit = max(1, min(limit, UPDATES_MAX))
        at, notes, found = await self._begin(project, position, limit), list[str](), Updates()
        while True:
            page = await self._page(project, at.offset)
            if page.epoch != at.epoch:
                notes.append(f"the log is a new one ({page.epoch}): positions of {at.epoch} mean nothing in it")
                at = Position(page.epoch, 0)
                page = await self._page(project, 0)
            elif not page.recovered:
                notes.append(f"what comes behind offset {at.offset} is no longer retained")
            if not page.messages:
                break
            for raw in page.messages:
                message = read(bytes(raw))
                if found.is_full or len(found.shown) >= limit:
                    return _answer(found, at, is_more=True, notes=notes)
                if task_id is None or is_about(task_id, message):
                    found.add(bytes(raw))
                at = Position(page.epoch, message["offset"])
        return _answer(found, at, is_more=False, notes=notes)

    async def _until_ended(self, agent: str, project: str, task_id: str, begin: Position, notes: list[str]) -> None:
        def note(text: str) -> None:
            if len(notes) < NOTES_MAX:
                notes.append(text)

        updates = Follower(self._dial, self._target, project, begin, note).updates()
        async with aclosing(updates):
            async for shown in updates:
                if is_about(task_id, shown.message) and outcome(agent, shown.message) is not None:
                    return

    async def _begin(self, project: str, position: str | None, limit: int) -> Position:
        if position is not None:
            return read_position(position)
        head = await self._head(project)
        return Position(head.epoch, max(0, head.offset - limit))

    async def _head(self, project: str) -> Position:
        """Where the log ends now."""
        reply = read(await ask_again(self._dial, self._target, {"action": "subscribe", "project_id": project}))
        return Position(reply["epoch"], reply["offset"])

    async def _page(self, project: str, after: int) -> Page:
        asked: Mapping[str, Any] = {"action": "history", "project_id": project, "after": after, "fold": True}
        return msgspec.json.decode(await ask_again(self._dial, self._target, {**asked, "limit": 1000}), type=Page)


def _answer(found: Updates, at: Position, *, is_more: bool, notes: list[str]) -> Answer:
    return {"updates": found.shown, "position": _told(at), "more": is_more, "notes": notes}


def _told(position: Position) -> str:
    return f"{position.epoch}:{position.offset}"
