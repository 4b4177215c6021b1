"""The state of a node at this moment, for its metrics."""

from websocket_handler.delivery.forwarding import Forwarding
from websocket_handler.delivery.node import Node
from websocket_handler.telemetry.counters import Gauges


def gauges_of(
    node: Node,
    forwarding: Forwarding,
    *,
    is_draining: bool,
    resources_unusable: int = 0,
    is_backplane_down: bool = False,
) -> Gauges:
    """The gauges of the node now."""
    projects = list(node.projects)
    return Gauges(
        connections=len(node.connections),
        subscriptions=sum(len(project.fan_out) for project in projects),
        projects=len(projects),
        retained_bytes=node.projects.retained_bytes,
        outbox_bytes=sum(connection.transport.buffered_bytes() for connection in node.connections.values()),
        forwards_waiting={agent.value: number for agent, number in forwarding.waiting.items()},
        resources_unusable=resources_unusable,
        backplane_down=int(is_backplane_down),
        draining=int(is_draining),
    )
