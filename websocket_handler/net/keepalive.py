"""Pings and the deadlines of silent and slow clients, from one timer for all connections.

Every connection is in one of `SLOTS` slots; a slot's turn comes once per ping interval. A client that was pinged
and sent nothing until its slot's next turn is gone: half-open connections end within two intervals. A slow
client is watched by our own clock and the progress of its outbox, because a write that waits tells nothing.
"""

import asyncio
from typing import TYPE_CHECKING, Final

from websocket_handler.protocol.codes import CloseCode

if TYPE_CHECKING:
    from websocket_handler.net.gate import Gate
    from websocket_handler.net.websocket import WebSocket

SLOTS: Final = 25
SHED_PART: Final = 8
"""One of so many slow clients goes at each tick while memory is short."""


class Keepalive:
    """The one timer. It starts with the node and ends with it."""

    def __init__(self, gate: "Gate") -> None:
        self._gate = gate
        self._slots: list[dict[WebSocket, None]] = [{} for _ in range(SLOTS)]
        self._slot_of: dict[WebSocket, int] = {}
        self._slow: dict[WebSocket, tuple[float, int]] = {}
        self._turn = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to tick."""
        interval_s = self._gate.options.ping_interval_s / SLOTS
        self._timer = asyncio.get_running_loop().call_later(interval_s, self._tick)

    def stop(self) -> None:
        """Tick no more."""
        if self._timer is not None:
            self._timer.cancel()

    def add(self, websocket: "WebSocket") -> None:
        """Watch a connection. Its first ping comes one interval from now."""
        slot = (self._turn - 1) % SLOTS
        self._slots[slot][websocket] = None
        self._slot_of[websocket] = slot

    def remove(self, websocket: "WebSocket") -> None:
        """Watch it no longer."""
        slot = self._slot_of.pop(websocket, None)
        if slot is not None:
            del self._slots[slot][websocket]
        self._slow.pop(websocket, None)

    @property
    def count(self) -> int:
        """How many sockets there are, closing ones included."""
        return len(self._slot_of)

    def abort_all(self) -> None:
        """Drop every socket that is left."""
        for websocket in list(self._slot_of):
            websocket.abort()

    def add_slow(self, websocket: "WebSocket") -> None:
        """Its outbox is full: from now on it has to make progress."""
        self._slow[websocket] = (self._gate.now(), websocket.buffered_bytes())

    def remove_slow(self, websocket: "WebSocket") -> None:
        """Its outbox drained."""
        self._slow.pop(websocket, None)

    def _tick(self) -> None:
        self.start()
        for websocket in list(self._slots[self._turn]):
            self._visit(websocket)
        self._turn = (self._turn + 1) % SLOTS
        for websocket in list(self._slow):
            self._watch(websocket)
        if self._slow and self._gate.admission.is_memory_short():
            self._shed()

    def _shed(self) -> None:
        """Memory is short: those for whom most is waiting go first. They lose nothing: they resume at their place."""
        fullest = sorted(self._slow, key=lambda websocket: websocket.buffered_bytes(), reverse=True)
        for websocket in fullest[: max(1, len(fullest) // SHED_PART)]:
            del self._slow[websocket]
            websocket.close(CloseCode.SLOW_CLIENT, "slow client: reconnect and resume")
            websocket.abort()  # it does not read the goodbye either

    def _visit(self, websocket: "WebSocket") -> None:
        if websocket.is_closing or websocket in self._slow:
            return  # we do not read from a slow client, so its silence says nothing
        if websocket.heard:
            websocket.ping()
        else:
            websocket.close(CloseCode.PONG_TIMEOUT, "no pong")

    def _watch(self, websocket: "WebSocket") -> None:
        since, buffered = self._slow[websocket]
        now, left = self._gate.now(), websocket.buffered_bytes()
        if left < buffered:
            self._slow[websocket] = (now, left)
        elif now - since >= self._gate.options.slow_client_timeout_s:
            del self._slow[websocket]
            websocket.close(CloseCode.SLOW_CLIENT, "slow client: reconnect and resume")
