"""A client of a storm: it resumes, is level when it has everything, and comes back until then."""

import asyncio
import json
from collections.abc import Callable
from random import Random
from typing import Final, Protocol

from websocket_handler.delivery.connection import Connection
from websocket_handler.protocol.messages import Position, Subscribe
from websocket_handler.server import WebSocketServer

PATIENCE_S: Final = 10.0
"""How long it waits to be told where it stands."""
RETRY_S: Final = 1.0
"""How long one that is told nothing else waits before it comes back, and up to as long again."""


class Watch(Protocol):
    """Who looks at what happens to the clients."""

    def refused(self, code: str, hint_ms: int | None) -> None: ...

    def came_back(self) -> None: ...

    def became_level(self) -> None: ...

    def fault(self, what: str) -> None: ...


class StormClient:
    """One client, and the transport to it. `heeds_hints` if it knows the field `retry_after_ms`; `stays_s` is how long
    it waits before it leaves for good, None if it does not."""

    descriptor = -1

    def __init__(
        self,
        server: WebSocketServer,
        watch: Watch,
        random: Random,
        subscribe: Subscribe,
        head: int,
        *,
        heeds_hints: bool,
        stays_s: float | None = None,
    ) -> None:
        assert isinstance(subscribe.since, Position)
        self._server = server
        self._watch = watch
        self._random = random
        self._project_id = subscribe.project_id
        self._epoch = subscribe.since.epoch
        self._offset = subscribe.since.offset
        self._head = head
        self._heeds_hints = heeds_hints
        self._stays_s = stays_s
        self._connection: Connection | None = None
        self._is_confirmed = False
        self._is_level = False
        self._timers: list[asyncio.TimerHandle] = []

    def connect(self) -> None:
        """Come, and resume."""
        since = Position(self._epoch, self._offset)
        self._is_confirmed = False
        self._after(PATIENCE_S, self._give_up)
        if self._stays_s is not None:
            self._after(self._stays_s, self._leave)
        connection = self._connection = self._server.register_connection(self)
        self._server.begin(connection, [Subscribe(project_id=self._project_id, since=since)])

    def _after(self, seconds: float, callback: Callable[[], object]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, callback))

    def _give_up(self) -> None:
        if not self._is_confirmed:
            self._come_back(None)

    def _leave(self) -> bool:
        """Hang up. Returns False if it has done so already."""
        connection, self._connection = self._connection, None
        if connection is None:
            return False
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        asyncio.get_running_loop().call_soon(self._server.unregister_connection, connection)
        return True

    def _come_back(self, hint_ms: int | None) -> None:
        """Leave, and come again later."""
        if not self._leave():
            return
        self._watch.came_back()
        wait_s = self._random.uniform(RETRY_S, 2 * RETRY_S)
        if hint_ms is not None and self._heeds_hints:
            wait_s = hint_ms / 1000
        self._after(wait_s, self.connect)

    # What it gets

    def write(self, data: bytes) -> None:
        start = 0
        while start < len(data):
            length, start = data[start + 1], start + 2
            if length == 126:
                length, start = int.from_bytes(data[start : start + 2]), start + 2
            elif length == 127:
                length, start = int.from_bytes(data[start : start + 8]), start + 8
            self._received(data[start : start + length])
            start += length

    def _received(self, payload: bytes) -> None:
        place = payload.rfind(b'"offset":')
        if place >= 0 and b'"epoch"' not in payload:
            offset = int(payload[place + 9 : -1])
            if offset != self._offset + 1:
                self._fault(f"got {offset} after {self._offset}")
            self._offset = offset
            self._look()
            return
        message = json.loads(payload)
        if message["type"] == "subscription_confirmed":
            if message["offset"] != self._offset or not message["recovered"]:
                self._fault(f"got {message} at {self._offset}")
            self._is_confirmed = True
            self._look()
        elif message["type"] == "error":
            self._refused(message)
        elif message["type"] != "connected":
            self._fault(f"got {message}")

    def _refused(self, message: dict[str, object]) -> None:
        if not message["retryable"]:
            self._fault(f"is refused for good: {message}")
        hint = message.get("retry_after_ms")
        hint_ms = hint if isinstance(hint, int) else None
        self._watch.refused(str(message["code"]), hint_ms)
        self._come_back(hint_ms)

    def _look(self) -> None:
        if self._offset == self._head and self._is_confirmed and not self._is_level:
            self._is_level = True
            self._watch.became_level()

    def _fault(self, what: str) -> None:
        self._watch.fault(f"a client of {self._project_id} {what}")

    # The rest of a transport

    def buffered_bytes(self) -> int:
        return 0

    def close(self, code: int, reason: str) -> None:
        self._fault(f"was closed with {code}: {reason}")

    def abort(self) -> None:
        self._fault("was cut off")
