"""Gathers the confirmations of one turn of the loop, because queues and stores confirm many commands at once. Each
client gets all of its confirmations in one write."""

from websocket_handler.delivery.connection import Connection
from websocket_handler.ports.clock import Scheduler
from websocket_handler.protocol.frames import cut


class Confirmations:
    """Each node has one. It never holds more confirmations than there are commands in flight."""

    def __init__(self, scheduler: Scheduler, write_bytes: int) -> None:
        """`write_bytes` is the most that one write may carry, so that an outbox exceeds its limit by one write at
        most."""
        self._scheduler = scheduler
        self._write_bytes = write_bytes
        self._gathered: dict[Connection, list[bytes]] = {}

    def push(self, connection: Connection, payload: bytes) -> None:
        """Send this payload at the end of the turn."""
        gathered = self._gathered.get(connection)
        if gathered is not None:
            gathered.append(payload)
            return
        if not self._gathered:
            self._scheduler.call_soon(self._send)
        self._gathered[connection] = [payload]

    def _send(self) -> None:
        gathered, self._gathered = self._gathered, {}
        for connection, payloads in gathered.items():
            self._push(connection, payloads)

    def send_now(self, connection: Connection) -> None:
        """Send at once what was gathered for a client that is about to go."""
        if connection in self._gathered:
            self._push(connection, self._gathered.pop(connection))

    def _push(self, connection: Connection, payloads: list[bytes]) -> None:
        for piece in cut(payloads, self._write_bytes):
            connection.push_all(piece)
