"""A small gateway that keeps the protocol except for one lie: what the proof kit has to find out."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from typing import Any

from aiohttp import web

LIES_AT = 5
"""The offset at which it lies."""
ENOUGH = 12
"""So many publications are enough for a test."""


class Lie(Enum):
    """What it does wrong, or in an unusual way."""

    NONE = auto()
    LOSE = auto()
    DOUBLE = auto()
    APPEND_TWICE = auto()
    REORDER = auto()
    FORK = auto()
    SKIP_AT_RESUME = auto()
    WRONG_POSITION = auto()
    CUT = auto()
    """It ends every connection, which is no lie: everybody resumes."""
    RESET = auto()
    """It loses its log after everybody had everything, and says so."""
    REFUSE_ONCE = auto()
    LOSE_ANSWER = auto()
    LEAVE = auto()
    """It asks everybody to come back."""
    NONSENSE = auto()


AT_RESUME = (Lie.SKIP_AT_RESUME, Lie.WRONG_POSITION, Lie.CUT, Lie.RESET, Lie.LEAVE)


class LyingGateway:
    """One node with logs in memory. `enough` is called when a log has enough publications. `status` is how it answers
    handshakes, if not with a connection."""

    def __init__(self, lie: Lie, enough: Callable[[], None], status: int) -> None:
        self.port = 0
        self.tokens: list[str] = []
        self.keys: list[str] = []
        """In the order in which they came, repetitions included."""
        self._lie = lie
        self._enough = enough
        self._status = status
        self._epoch = "e1"
        self._logs: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._by_key: dict[str, int] = {}
        self._followers: dict[web.WebSocketResponse, str] = {}
        self._skipping: set[web.WebSocketResponse] = set()
        """The followers that do not get the next publication: they came back before there was one to leave out."""
        self._held: dict[str, Any] | None = None
        self._has_lied = False
        self._away = 0
        """How many followers have to come back."""
        self._one_at_a_time = asyncio.Lock()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One WebSocket."""
        if self._status != 101:
            return web.Response(status=self._status, headers={"Retry-After": "0"})
        self.tokens.append(request.headers.get("Authorization", ""))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "connected"})
        project_id = request.query.get("project_id")
        if project_id is not None:
            async with self._one_at_a_time:
                await self._subscribe(socket, project_id, request.query.get("since"))
        async for frame in socket:
            async with self._one_at_a_time:
                await self._publish(socket, json.loads(frame.data))
        self._followers.pop(socket, None)
        return socket

    async def _subscribe(self, socket: web.WebSocketResponse, project_id: str, since: str | None) -> None:
        log = self._logs[project_id]
        offset, recovered = len(log), True
        if since is not None:
            self._away -= 1
            epoch, _, text = since.partition(":")
            recovered = epoch == self._epoch
            offset = int(text) if recovered else 0
        shown = offset
        if since is not None and self._lie in (Lie.SKIP_AT_RESUME, Lie.WRONG_POSITION):
            shown = offset + 1
            if offset == len(log):
                self._skipping.add(socket)
            if self._lie is Lie.WRONG_POSITION:
                offset = shown
        place = {"project_id": project_id, "epoch": self._epoch, "offset": offset}
        await socket.send_json({"type": "subscription_confirmed", **place, "recovered": recovered})
        for entry in log[shown:]:
            await socket.send_json(entry)
        self._followers[socket] = project_id

    async def _publish(self, socket: web.WebSocketResponse, command: dict[str, Any]) -> None:
        project_id, key = command["project_id"], command["key"]
        self.keys.append(key)
        log = self._logs[project_id]
        lies_now = len(log) + 1 == LIES_AT and not self._has_lied
        if lies_now and self._lie is Lie.REFUSE_ONCE:
            self._has_lied = True
            error = {"type": "error", "code": "store_unavailable", "message": "later", "retryable": True}
            await socket.send_json({**error, "retry_after_ms": 1, "id": command["id"]})
            return
        if key not in self._by_key:
            self._by_key[key] = self._append(project_id, command["message"])
            await self._tell(project_id, lies=lies_now)
        place = {"project_id": project_id, "epoch": self._epoch, "offset": self._by_key[key]}
        if lies_now and self._lie is Lie.LOSE_ANSWER:
            await socket.close()
            return
        if lies_now and self._lie is Lie.NONSENSE:
            await socket.send_str("nonsense")
        await socket.send_json({"type": "publish_confirmed", **place, "id": command["id"]})
        if lies_now and self._lie in AT_RESUME:
            await self._cut()
        if len(self._by_key) >= ENOUGH and self._away <= 0:
            self._enough()

    def _append(self, project_id: str, message: dict[str, Any]) -> int:
        log = self._logs[project_id]
        log.append({**message, "project_id": project_id, "offset": len(log) + 1})
        return len(log)

    async def _tell(self, project_id: str, *, lies: bool) -> None:
        """Send the last entry to all followers, and whatever the lie makes of it."""
        log = self._logs[project_id]
        self._has_lied = self._has_lied or lies
        entries = [log[-1]]
        if self._held is not None:
            entries.append(self._held)
            self._held = None
        if lies and self._lie is Lie.LOSE:
            entries = []
        elif lies and self._lie is Lie.DOUBLE:
            entries *= 2
        elif lies and self._lie is Lie.APPEND_TWICE:
            self._append(project_id, {name: log[-1][name] for name in ("type", "run", "n")})
            entries.append(log[-1])
        elif lies and self._lie is Lie.REORDER:
            self._held = entries.pop()
        for index, (socket, followed) in enumerate(list(self._followers.items())):
            for entry in entries:
                other = {"n": entry["n"] - 1} if lies and self._lie is Lie.FORK and index == 0 else {}
                if socket in self._skipping:
                    self._skipping.remove(socket)
                elif followed == project_id:
                    with suppress(ConnectionResetError):
                        await socket.send_json(entry | other)

    async def _cut(self) -> None:
        followers = list(self._followers)
        self._away = len(followers)
        if self._lie is Lie.LEAVE:
            for socket in followers:
                await socket.send_json({"type": "reconnect", "reason": "draining", "after_ms": 1})
            return
        self._followers.clear()
        if self._lie is Lie.RESET:
            self._epoch = "e2"
            self._logs.clear()
        await asyncio.gather(*(socket.close(code=1012) for socket in followers))


@asynccontextmanager
async def lying_gateway(
    lie: Lie = Lie.NONE, enough: Callable[[], None] = lambda: None, status: int = 101
) -> AsyncIterator[LyingGateway]:
    """A running one on loopback."""
    gateway = LyingGateway(lie, enough, status)
    application = web.Application()
    application.router.add_get("/ws", gateway.serve)
    runner = web.AppRunner(application, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    gateway.port = runner.addresses[0][1]
    try:
        yield gateway
    finally:
        await runner.cleanup()
