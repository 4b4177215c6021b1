"""The ports of a node in memory. A test gives them to `assemble`, with its own ports in place of some."""

import asyncio
from dataclasses import replace
from itertools import count
from random import Random
from typing import Any

from tests.support.clock import SteeredClock, loop_time
from tests.support.memory_ports import MemoryForwarder, MemoryStateStore, MemoryTaskProtection
from websocket_handler.adapters.memory import MemoryLogStore, MemoryPeers
from websocket_handler.assembly import CoreOptions, Ports
from websocket_handler.hub.log import LogLimits
from websocket_handler.protocol.replies import Greeting
from websocket_handler.protocol.session import SessionLimits
from websocket_handler.server import ServerOptions
from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.log import EventLog

RETAINED = LogLimits(messages=1000, bytes=1_048_576, seconds=1e9)


class NotedEvents(EventLog):
    """A log that notes every event."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, dict[str, object]]] = []

    def emit(self, event: str, **fields: object) -> None:
        self.events.append((event, fields))

    @property
    def names(self) -> list[str]:
        """The names of the events, in their order."""
        return [event for event, _ in self.events]


def memory_ports(**others: Any) -> Ports:
    """Ports in memory, on the running loop's time. `others` replace some of them."""
    clock = SteeredClock(loop_time)
    ids = count(1)
    ports = Ports(
        clock=clock,
        scheduler=asyncio.get_running_loop(),
        random=Random(1),
        log_store=MemoryLogStore(clock, RETAINED),
        broadcast_store=MemoryLogStore(clock, RETAINED),
        own_store=MemoryLogStore(clock, RETAINED),
        state_store=MemoryStateStore(),
        peers=MemoryPeers(),
        forwarder=MemoryForwarder(),
        update_source=None,
        task_protection=MemoryTaskProtection(clock),
        authenticator=None,
        new_id=lambda: f"id{next(ids)}",
        new_log_id=lambda: f"log{next(ids)}",
        memory_bytes=lambda: 0,
        log=NotedEvents(),
        counters=Counters(),
    )
    return replace(ports, **others)


def core_options(**others: Any) -> CoreOptions:
    """The default options of a node. `others` replace some of them."""
    options = CoreOptions(server=ServerOptions(Greeting("node", 25, 65_536, 256, 100, 1000), SessionLimits()))
    return replace(options, **others)
