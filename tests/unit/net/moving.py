"""Clients that are told to come back elsewhere, and their node. Virtual time."""

import asyncio
from random import Random

from websocket_handler.delivery.connection import Connection
from websocket_handler.net.drain import DrainResult, hand_over
from websocket_handler.protocol.session import Session, SessionLimits


class Client:
    """A client that goes away some time after it is told to, or never."""

    descriptor = -1

    def __init__(self, node: "Sockets", name: str, goes_after_s: float | None) -> None:
        self._node = node
        self._goes_after_s = goes_after_s
        self.frames: list[bytes] = []
        self.told_at: float | None = None
        self.closed: tuple[int, float] | None = None
        self.connection = Connection(name, self, Session(SessionLimits(), 0.0), 0.0, 0.0)
        node.connections[name] = self.connection
        node.count += 1

    def write(self, data: bytes) -> None:
        self.frames.append(data)
        self.told_at = asyncio.get_running_loop().time()

    def buffered_bytes(self) -> int:
        return 0

    def close(self, code: int, _reason: str) -> None:
        assert self.closed is None
        loop = asyncio.get_running_loop()
        self.closed = (code, loop.time())
        self.connection.is_open = False
        del self._node.connections[self.connection.connection_id]
        if self._goes_after_s is not None:
            loop.call_later(self._goes_after_s, self._gone)

    def leave(self) -> None:
        """Close the connection from the client's side."""
        self.connection.is_open = False
        del self._node.connections[self.connection.connection_id]
        self._gone()

    def _gone(self) -> None:
        self._node.count -= 1

    def abort(self) -> None:
        raise AssertionError


class Sockets:
    """The sockets and connections of a node."""

    def __init__(self) -> None:
        self.connections: dict[str, Connection] = {}
        self.count = 0

    async def hand_over(self, drain_s: float) -> tuple[DrainResult, float]:
        """Hand all clients over; what came of it, and how long it took."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        result = await hand_over(self.connections, self, loop.time, drain_s, Random(1))
        return result, loop.time() - start
