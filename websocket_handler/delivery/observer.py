"""The part of a node that wants to know about its connections."""

from typing import Protocol

from websocket_handler.delivery.connection import Connection


class ConnectionObserver(Protocol):
    """It is called at once, from the event loop's thread, and must not wait."""

    def changed(self, connection: Connection) -> None:
        """The client has authenticated, or the connection follows other projects than before."""
        ...

    def gone(self, connection: Connection) -> None:
        """The connection has ended."""
        ...
