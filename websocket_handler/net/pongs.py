"""Answers to a client's pings. Whoever floods with them gets what RFC 6455 section 5.5.3 allows: an answer to the
latest, once a second."""

import asyncio
from typing import TYPE_CHECKING, Final

from websocket_handler.protocol.frames import pong_frame
from websocket_handler.protocol.rate import TokenBucket

if TYPE_CHECKING:
    from websocket_handler.net.websocket import WebSocket

PINGS_PER_SECOND: Final = 100.0
PINGS_BURST: Final = 1000.0
LATE_S: Final = 1.0


class Pongs:
    """Of one connection that pings."""

    __slots__ = ("_latest", "_rate")

    def __init__(self, now: float) -> None:
        self._rate = TokenBucket(PINGS_PER_SECOND, PINGS_BURST, now)
        self._latest: bytes | None = None
        """What waits to be answered."""

    def answer(self, websocket: "WebSocket", payload: bytes, now: float) -> bool:
        """Answer now; False when that has to wait, and may be left out when another ping comes meanwhile."""
        if self._latest is None and self._rate.allows(now):
            websocket.write(pong_frame(payload))
            return True
        if self._latest is None:
            asyncio.get_running_loop().call_later(LATE_S, self._answer_latest, websocket)
        self._latest = payload
        return False

    def _answer_latest(self, websocket: "WebSocket") -> None:
        payload, self._latest = self._latest, None
        if payload is not None and not websocket.is_closing:
            websocket.write(pong_frame(payload))
