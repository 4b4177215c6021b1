"""Who is told about the connections of a node."""

from typing import Protocol

from websocket_handler.delivery.connection import Connection


class ConnectionObserver(Protocol):
    """Is told at once, from the event loop's thread, and must not wait."""

    def changed(self, connection: Connection) -> None:
        """It has become known whose connection this is, or the connection follows other projects than before."""
        ...

    def gone(self, connection: Connection) -> None:
        """The connection has ended."""
        ...
