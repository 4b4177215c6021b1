"""Answers to a client's pings. A client that floods us with pings gets what RFC 6455 section 5.5.3 allows: an answer to
its latest ping, once a second."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from websocket_handler.protocol.frames import pong_frame
from websocket_handler.protocol.rate import TokenBucket

PINGS_PER_SECOND: Final = 100.0
PINGS_BURST: Final = 1000.0
LATE_S: Final = 1.0


class Pinging(Protocol):
    """A socket whose client pings."""

    write: Callable[[bytes], None]

    @property
    def is_closing(self) -> bool:
        """True once it ends."""
        ...


class Pongs:
    """The answers for one connection that pings."""

    __slots__ = ("_latest", "_rate")

    def __init__(self, now: float) -> None:
        self._rate = TokenBucket(PINGS_PER_SECOND, PINGS_BURST, now)
        self._latest: bytes | None = None
        """The payload of the latest ping, while its late answer waits."""

    def answer(self, socket: Pinging, payload: bytes, now: float) -> bool:
        """Answer now and return True. Or return False, and answer later; then only the latest ping gets its answer."""
        if self._latest is None and self._rate.allows(now):
            socket.write(pong_frame(payload))
            return True
        if self._latest is None:
            asyncio.get_running_loop().call_later(LATE_S, self._answer_latest, socket)
        self._latest = payload
        return False

    def _answer_latest(self, socket: Pinging) -> None:
        payload, self._latest = self._latest, None
        if payload is not None and not socket.is_closing:
            socket.write(pong_frame(payload))
