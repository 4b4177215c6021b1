"""The work of a client: publications and tasks, which it repeats until they are confirmed."""

import json
from typing import TYPE_CHECKING

from tests.simulation.sessions import Json, Pending, Work

if TYPE_CHECKING:
    from tests.simulation.clients import Client


class Chores:
    """The work of one client, over all its connections."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self.work: dict[str, Work] = {}
        """What is under way or waits to be repeated, by command id."""

    def publish(self, project: str, body: str, uid: str, key: str, *, conflicts: bool = False) -> None:
        """Publish. With a key it is repeated until it is confirmed; without a key it is sent once."""
        command: Json = {"project_id": project, "message": json.loads(body)}
        if key:
            command["key"] = key
        self._begin(Work("publish", command, uid, bool(key) and not conflicts, is_conflict_wanted=conflicts))

    def forward(self, agent: str, project: str | None, data: Json, message_id: str) -> None:
        """Hand work to an agent until it is confirmed."""
        command: Json = {"type": agent, "data": data, "message_id": message_id}
        if project is not None:
            command["project_id"] = project
        self._begin(Work("forward", command, message_id))

    def _begin(self, work: Work) -> None:
        session = self._client.session
        is_up = session is not None and session.is_ready and not session.is_closing
        if not is_up and not work.is_repeated:
            return
        command_id = self._client.new_id()
        self.work[command_id] = work
        work.command["id"] = command_id
        self._send(work)

    def _send(self, work: Work) -> None:
        session, command_id = self._client.session, work.command["id"]
        if session is None or command_id not in self.work or command_id in session.pending:
            return
        asked = {**work.command, "agent": work.command["type"].lower()} if work.kind == "forward" else work.command
        self._client.command(work.kind, work.command.get("project_id", ""), asked, work.command, command_id)

    def go_on(self) -> None:
        """A new connection exists: repeat everything that has no answer."""
        for work in list(self.work.values()):
            self._send(work)

    def interrupted(self) -> None:
        """The connection is gone: give up what must not be repeated."""
        self.work = {command_id: work for command_id, work in self.work.items() if work.is_repeated}

    def published(self, message: Json) -> None:
        """A publication was confirmed."""
        work, checker = self.work.pop(message["id"]), self._client.world.checker
        if work.is_conflict_wanted and not checker.has_jumped_lately():
            self._client.violation(f"a second body under the same key was confirmed: {message}")
        else:
            checker.confirmed(work.uid, message["epoch"], message["offset"])

    def forwarded(self, pending: Pending, message: Json) -> None:
        """A task was confirmed."""
        del self.work[message["id"]]
        self._client.world.forward_confirmed(self._client.name, pending.asked, message)

    def failed(self, message: Json) -> None:
        """A command was refused: try again, if that may help."""
        client, work = self._client, self.work[message["id"]]
        if message["retryable"] and work.is_repeated:
            client.world.loop.later(client.random.uniform(0.05, 1.0), self._send, work)
            return
        del self.work[message["id"]]
        is_expected = message["code"] == "forbidden" or (message["code"] == "conflict" and work.is_conflict_wanted)
        if not message["retryable"] and not is_expected:
            client.violation(f"refused for good: {message}")
