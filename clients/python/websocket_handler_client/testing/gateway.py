"""A gateway in this process: projects, tasks, and every trouble that a real one may make, as a method.

It keeps the rules that a client can see. It checks no token and no limits.
"""

import asyncio
import json
import uuid
from collections import defaultdict
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from websocket_handler_client.core.position import Position
from websocket_handler_client.testing.log import FakeLog

Json = dict[str, Any]


class FakeGateway:
    """`async with FakeGateway() as gateway: client = Client(gateway.url)`."""

    def __init__(self) -> None:
        self.tasks: list[Json] = []
        """The tasks that were forwarded, in order; one for each `message_id`."""
        self.tokens: list[str] = []
        """The tokens that clients sent, in handshakes and in `authenticate`."""
        self.handshakes = 0
        self._logs: dict[str, FakeLog] = defaultdict(FakeLog)
        self._followers: dict[ServerConnection, set[str]] = {}
        self._fresh: list[tuple[str, str]] = []
        """What clients published, and their followers have not got yet: project and text."""
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: Server

    async def __aenter__(self) -> Self:
        self._server = await serve(self._serve, "127.0.0.1", 0, compression=None)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._flowing.set()
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/ws"

    # What the test does

    async def publish(self, project_id: str, message: Json) -> Position:
        """Publish an object."""
        position, text = self._logs[project_id].append(project_id, message)
        await self._fan_out(project_id, text)
        return position

    def snapshot(self, project_id: str, **fields: Any) -> None:
        """Say what the runs of a project have become, up to its newest publication."""
        log = self._logs[project_id]
        log.snapshot = {**fields, "offset": log.position.offset}

    def published(self, project_id: str) -> list[Json]:
        """What the log of a project holds."""
        return [json.loads(text) for text in self._logs[project_id].texts]

    def cut(self) -> None:
        """Cut every connection, without a close frame."""
        for connection in list(self._followers):
            connection.transport.abort()

    def stall(self) -> None:
        """Answer and deliver nothing until `flow`."""
        self._flowing.clear()

    def flow(self) -> None:
        """Go on after `stall`."""
        self._flowing.set()

    async def reset(self, project_id: str) -> None:
        """Lose the log of a project: a new epoch begins."""
        log = self._logs[project_id] = FakeLog()
        told = {"type": "subscription_reset", "project_id": project_id, **log.position.as_field(), "recovered": False}
        await self._fan_out(project_id, json.dumps(told))

    async def duplicate(self, project_id: str) -> None:
        """Send the newest publication once more. A real gateway never does."""
        await self._fan_out(project_id, self._logs[project_id].texts[-1])

    async def expire_token(self) -> None:
        """Close every connection with 4002."""
        await self._close_all(4002, "the token expired")

    async def drain(self, after_ms: int = 0) -> None:
        """Tell every client to come back, and close with 4012."""
        for connection in list(self._followers):
            await self._send(connection, type="reconnect", reason="draining", after_ms=after_ms)
        await self._close_all(4012, "service restart")

    async def end(self, code: int = 4500) -> None:
        """Close every connection as an operator does."""
        await self._close_all(code, "an operator ended the connection")

    # What clients do

    async def _serve(self, connection: ServerConnection) -> None:
        self.handshakes += 1
        request = connection.request
        bearer = "" if request is None else request.headers.get("Authorization", "")
        if bearer:
            self.tokens.append(bearer.removeprefix("Bearer "))
        self._followers[connection] = set()
        try:
            await self._send(connection, type="connected", protocol=1, ping_interval_s=25, limits={})
            async for text in connection:
                await self._flowing.wait()
                await self._answer(connection, json.loads(text))
        except ConnectionClosed:
            return
        finally:
            del self._followers[connection]

    async def _answer(self, connection: ServerConnection, command: Json) -> None:
        reply = getattr(self, f"_on_{command['action']}", None)
        if reply is None:
            await self._send(connection, **_error("unknown_action", "Unknown action"), id=command.get("id"))
            return
        fields, behind = reply(connection, command)
        await self._send(connection, **fields, id=command.get("id"))
        for text in behind:
            await connection.send(text)
        while self._fresh:
            await self._fan_out(*self._fresh.pop(0))

    def _on_subscribe(self, connection: ServerConnection, command: Json) -> tuple[Json, list[str]]:
        project_id = command["project_id"]
        log = self._logs[project_id]
        start, recovered = log.start(command.get("since"), command.get("rewind"))
        first = []
        if command.get("from") == "snapshot":
            start, first = Position(log.epoch, log.snapshot["offset"]), [log.snapshot_text(project_id)]
        self._followers[connection].add(project_id)
        place = {"project_id": project_id, "epoch": start.epoch, "offset": start.offset, "recovered": recovered}
        return {"type": "subscription_confirmed", **place}, [*first, *log.texts[start.offset :]]

    def _on_unsubscribe(self, connection: ServerConnection, command: Json) -> tuple[Json, list[str]]:
        self._followers[connection].discard(command["project_id"])
        return {"type": "unsubscription_confirmed", "project_id": command["project_id"]}, []

    def _on_forward(self, _: ServerConnection, command: Json) -> tuple[Json, list[str]]:
        name = command.get("message_id") or uuid.uuid4().hex
        if all(task["message_id"] != name for task in self.tasks):
            self.tasks.append({**command, "message_id": name})
        return {"type": "forward_confirmed", "message_id": name, "agent": command["type"], "receipt": f"r-{name}"}, []

    def _on_publish(self, connection: ServerConnection, command: Json) -> tuple[Json, list[str]]:
        project_id = command["project_id"]
        log = self._logs[project_id]
        position, known = log.keys.get(command.get("key", ""), (None, command["message"]))
        if known != command["message"]:
            return _error("conflict", "this key already stands for another message"), []
        if position is None:
            position, text = log.append(project_id, command["message"], command.get("key"))
            self._fresh.append((project_id, text))
        return {"type": "publish_confirmed", "project_id": project_id, **position.as_field()}, []

    def _on_history(self, _: ServerConnection, command: Json) -> tuple[Json, list[str]]:
        log, after = self._logs[command["project_id"]], command.get("after", 0)
        messages = [json.loads(text) for text in log.texts[after:][: command.get("limit", 100)]]
        place = {"epoch": log.epoch, "offset": after + len(messages), "recovered": after <= len(log.texts)}
        return {"type": "history", "project_id": command["project_id"], "messages": messages, **place}, []

    def _on_presence(self, _: ServerConnection, command: Json) -> tuple[Json, list[str]]:
        here = [connection for connection, projects in self._followers.items() if command["project_id"] in projects]
        connections = [{"connection_id": str(connection.id)} for connection in here]
        return {"type": "presence", "project_id": command["project_id"], "connections": connections}, []

    def _on_authenticate(self, _: ServerConnection, command: Json) -> tuple[Json, list[str]]:
        self.tokens.append(command["token"])
        return {"type": "authenticated"}, []

    def _on_ping(self, _: ServerConnection, __: Json) -> tuple[Json, list[str]]:
        return {"type": "pong"}, []

    async def _fan_out(self, project_id: str, text: str) -> None:
        await self._flowing.wait()
        for connection, projects in list(self._followers.items()):
            if project_id in projects:
                await self._send_text(connection, text)

    async def _close_all(self, code: int, reason: str) -> None:
        for connection in list(self._followers):
            await connection.close(code, reason)

    async def _send(self, connection: ServerConnection, **message: Any) -> None:
        known = {name: value for name, value in message.items() if not (name == "id" and value is None)}
        await self._send_text(connection, json.dumps(known))

    async def _send_text(self, connection: ServerConnection, text: str) -> None:
        try:
            await connection.send(text)
        except ConnectionClosed:
            return


def _error(code: str, message: str) -> Json:
    return {"type": "error", "code": code, "message": message, "retryable": False}
