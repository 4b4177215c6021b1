"""A node with its log, driven by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.clock import SteeredClock
from tests.support.doubles import (
    NEVER_OLD,
    WALL,
    HandScheduler,
    connect,
    engine_over,
)
from tests.support.observers import NotedConnections
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.delivery.connection import Connection
from websocket_handler.delivery.node import Node
from websocket_handler.delivery.observer import ConnectionObserver
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.log_store import LogStore
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position, Subscribe
from websocket_handler.protocol.publication import read_object
from websocket_handler.telemetry.counters import Counters


class Desk:
    """A node with a memory store, unless the test answers for it."""

    def __init__(
        self,
        limits: DeliveryLimits | None = None,
        store: LogStore | None = None,
        observer: ConnectionObserver | None = None,
        common_store: LogStore | None = None,
    ) -> None:
        self.clock = SteeredClock(wall=WALL)
        self.scheduler = HandScheduler(self.clock)
        self.limits = limits or DeliveryLimits(log=NEVER_OLD)
        self.store = store or MemoryLogStore(self.clock, NEVER_OLD)
        self.engine = engine_over(self.store, self.clock, self.scheduler, self.limits, Counters())
        self.noted = NotedConnections()
        broadcast_store = MemoryLogStore(self.clock, NEVER_OLD)
        self.node = Node(self.engine, broadcast_store, observer or self.noted, common_store)

    def connect(self, name: str = "c") -> Connection:
        """A registered connection."""
        connection = connect(name=name)
        self.node.register(connection)
        self.noted.changes.clear()
        return connection

    def subscribe(self, connection: Connection, project_id: str = "p", since: Position | None = None) -> list[Any]:
        """Follow a project; where the answer will appear."""
        answers: list[Any] = []
        command = Subscribe(project_id=project_id) if since is None else Subscribe(project_id=project_id, since=since)
        self.node.subscribe(connection, command, answers.append)
        return answers

    def publish(self, project_id: str = "p", body: bytes = b"{}", key: str = "") -> list[Any]:
        """Publish, and let the loop turn."""
        answers: list[Any] = []
        try:
            self.node.publish(self.node.prepare(read_object(body), project_id, key), answers.append)
        except CommandError as fault:
            answers.append(fault)
        self.scheduler.settle()
        return answers

    def broadcast(self, body: bytes) -> int:
        """Send to everyone."""
        return self.node.broadcast(self.node.prepare_broadcast(read_object(body)))

    def refusal(self, project_id: str) -> ErrorCode:
        """Why a project cannot be had."""
        with pytest.raises(CommandError) as caught:
            self.node.project(project_id)
        return caught.value.code
