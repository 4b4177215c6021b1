"""The end of a WebSocket whose client sends no more: first it gets the answers to its commands."""

import asyncio

from websocket_handler.delivery.in_flight import InFlight
from websocket_handler.net.closing import Closing
from websocket_handler.net.incoming import Incoming


class LastAnswers:
    """Closes a socket once all commands of its client are answered. Each command has a deadline, so the connection ends
    with the longest one at the latest."""

    __slots__ = ("_closing", "_in_flight", "_incoming")

    def __init__(self, in_flight: InFlight, incoming: Incoming, closing: Closing) -> None:
        self._in_flight = in_flight
        self._incoming = incoming
        self._closing = closing

    def look_soon(self) -> None:
        """Look when this turn's answers have left."""
        asyncio.get_running_loop().call_soon(self.look)

    def look(self) -> None:
        """End the connection if all its commands are answered; else do so after the last answer. While commands wait to
        be handled, whoever handles them looks again."""
        if self._closing.has_begun or self._incoming.has_waiting:
            return
        if self._in_flight.is_empty:
            self._closing.end()
        else:
            self._in_flight.when_empty(self.look_soon)
