"""An observer of a node's connections."""

from websocket_handler.delivery.connection import Connection


class NotedConnections:
    """Notes what it is told (delivery.observer), by connection id."""

    def __init__(self) -> None:
        self.changes: list[str] = []
        self.ended: list[str] = []

    def changed(self, connection: Connection) -> None:
        self.changes.append(connection.connection_id)

    def gone(self, connection: Connection) -> None:
        self.ended.append(connection.connection_id)
