"""Confirmations of one turn of the loop: each client gets all of its own in one write, as queues and stores
confirm many commands at once."""

from websocket_handler.delivery.connection import Connection
from websocket_handler.ports.clock import Scheduler


class Confirmations:
    """One per node. It holds no more than the commands that are in flight, and nothing beyond a turn."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._gathered: dict[Connection, list[bytes]] = {}

    def push(self, connection: Connection, payload: bytes) -> None:
        """Send this at the end of the turn."""
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
            connection.push_all(payloads)

    def send_now(self, connection: Connection) -> None:
        """Send what was gathered for a client that is about to go."""
        if connection in self._gathered:
            connection.push_all(self._gathered.pop(connection))
