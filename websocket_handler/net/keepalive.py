"""Pings, and the deadlines of silent and slow clients. One timer serves all connections.

Every connection is in one of `SLOTS` slots, and the turn of a slot comes once per ping interval. If a client was pinged
and has sent nothing until the next turn of its slot, its connection ends. So a half-open connection ends within two
intervals. For a slow client our own clock counts, and how far its outbox has shrunk, because a write that waits tells
nothing.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from websocket_handler.protocol.codes import CloseCode

SLOTS: Final = 25
SHED_PART: Final = 8
"""While memory is short, each tick closes one in `SHED_PART` of the slow clients."""


@dataclass(frozen=True, slots=True)
class KeepaliveOptions:
    """How long clients may be silent, or slow."""

    ping_interval_s: float = 25.0
    slow_client_timeout_s: float = 60.0
    answers_timeout_s: float = 35.0
    """How long a client that sends no more waits for its last answers, at most."""


class Watched(Protocol):
    """A socket as the keepalive sees it."""

    heard: bool
    """True if anything has arrived since the last ping."""

    @property
    def is_closing(self) -> bool:
        """True once it ends."""
        ...

    def ping(self) -> None:
        """Ask if the client is still there, and set `heard` to False."""
        ...

    def buffered_bytes(self) -> int:
        """How many bytes wait to be sent."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake."""
        ...

    def abort(self) -> None:
        """Drop the connection at once."""
        ...


class Keepalive:
    """The one timer. It starts with the node and ends with it."""

    def __init__(
        self, options: KeepaliveOptions, now: Callable[[], float], is_memory_short: Callable[[], bool]
    ) -> None:
        """`now` gives monotonic seconds. While `is_memory_short` says True, slow clients are closed early."""
        self._options = options
        self.answers_timeout_s = options.answers_timeout_s
        self._now = now
        self._is_memory_short = is_memory_short
        self._slots: list[dict[Watched, None]] = [{} for _ in range(SLOTS)]
        self._slow: dict[Watched, tuple[float, int]] = {}
        """Since when each slow client has made no progress, and how many bytes waited for it then."""
        self._turn = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to tick."""
        self._timer = asyncio.get_running_loop().call_later(self._options.ping_interval_s / SLOTS, self._tick)

    def stop(self) -> None:
        """Tick no more."""
        if self._timer is not None:
            self._timer.cancel()

    def add(self, socket: Watched) -> None:
        """Watch a connection. Its first ping comes one interval from now."""
        self._slots[(self._turn - 1) % SLOTS][socket] = None

    def remove(self, socket: Watched) -> None:
        """Stop watching a connection. Doing it twice changes nothing."""
        for age in range(1, SLOTS + 1):  # to remember the slot of each socket would take 50 bytes per connection
            slot = self._slots[self._turn - age]  # the newest first: most connections that end are young
            if socket in slot:
                del slot[socket]
                break
        self._slow.pop(socket, None)

    @property
    def count(self) -> int:
        """The number of sockets, those that are closing included."""
        return sum(map(len, self._slots))

    def abort_all(self) -> None:
        """Drop every socket that is left."""
        for socket in [socket for slot in self._slots for socket in slot]:
            socket.abort()

    def add_slow(self, socket: Watched) -> None:
        """A client's outbox is full: from now on it has to make progress."""
        self._slow[socket] = (self._now(), socket.buffered_bytes())

    def remove_slow(self, socket: Watched) -> None:
        """A client's outbox is empty again."""
        self._slow.pop(socket, None)

    def _tick(self) -> None:
        self.start()
        for socket in list(self._slots[self._turn]):
            self._visit(socket)
        self._turn = (self._turn + 1) % SLOTS
        for socket in list(self._slow):
            self._watch(socket)
        if self._slow and self._is_memory_short():
            self._shed()

    def _shed(self) -> None:
        """Memory is short: close the slow clients with the fullest outboxes. They lose nothing, because they resume
        from their position."""
        fullest = sorted(self._slow, key=lambda socket: socket.buffered_bytes(), reverse=True)
        for socket in fullest[: max(1, len(fullest) // SHED_PART)]:
            del self._slow[socket]
            socket.close(CloseCode.SLOW_CLIENT, "slow client: reconnect and resume")
            socket.abort()  # it does not read the close frame either

    def _visit(self, socket: Watched) -> None:
        if socket.is_closing or socket in self._slow:
            return  # we do not read from a slow client, so its silence says nothing
        if socket.heard:
            socket.ping()
        else:
            socket.close(CloseCode.PONG_TIMEOUT, "no pong")

    def _watch(self, socket: Watched) -> None:
        since, buffered = self._slow[socket]
        now, left = self._now(), socket.buffered_bytes()
        if left < buffered:
            self._slow[socket] = (now, left)
        elif now - since >= self._options.slow_client_timeout_s:
            del self._slow[socket]
            socket.close(CloseCode.SLOW_CLIENT, "slow client: reconnect and resume")
