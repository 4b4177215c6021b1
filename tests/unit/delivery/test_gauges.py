"""What is true of a node at this moment, read in virtual time."""

import asyncio
from typing import Any

from tests.support.clock import SteeredClock
from tests.support.doubles import NEVER_OLD, client_of, connect, no_chance
from tests.support.observers import NotedConnections
from tests.support.virtual_time import in_virtual_time
from tests.unit.delivery.agent_queues import Desk
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.delivery.gauges import gauges_of
from websocket_handler.delivery.node import Node
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.protocol.messages import Subscribe
from websocket_handler.protocol.publication import finish, read_object
from websocket_handler.telemetry.counters import Counters, Gauges


@in_virtual_time
async def test_everything_is_counted_when_it_is_asked_for() -> None:
    desk, clock, loop = Desk(), SteeredClock(), asyncio.get_running_loop()
    store, limits, ids = MemoryLogStore(clock, NEVER_OLD), DeliveryLimits(log=NEVER_OLD), iter(range(100))
    engine = Engine(store, clock, loop, limits, Counters(), lambda: f"id{next(ids)}", finish, no_chance)
    node = Node(engine, MemoryLogStore(clock, NEVER_OLD), NotedConnections())
    waiting = {"pm": 0, "dev": 0, "qa": 0, "ops": 0}
    assert gauges_of(node, desk.forwarding, is_draining=False) == Gauges(forwards_waiting=waiting)

    answers: list[Any] = []
    connections = [connect(name="a"), connect(name="b")]
    for connection in connections:
        node.register(connection)
        for project_id in ("p", "q"):
            node.subscribe(connection, Subscribe(project_id=project_id), answers.append)
    node.publish(node.prepare(read_object(b'{"a":1}'), "p"), answers.append)
    await asyncio.sleep(0)
    desk.forward("m1")

    assert gauges_of(node, desk.forwarding, is_draining=True) == Gauges(
        connections=2,
        subscriptions=4,
        projects=2,
        retained_bytes=node.projects.retained_bytes,
        outbox_bytes=sum(client_of(connection).buffered for connection in connections),
        forwards_waiting=waiting | {"dev": 1},
        draining=1,
    )
    assert all(client_of(connection).buffered > 0 for connection in connections)
    assert node.projects.retained_bytes > len(b'{"a":1}')
    await desk.settled()
