"""What the load balancer in front of this node does with it."""

from typing import Protocol


class TargetUnknown(Exception):
    """The load balancer did not say; nothing follows from that."""


class Target(Protocol):
    """This node as a target of its load balancer."""

    async def is_draining(self) -> bool:
        """Whether the load balancer sends no further connections here because the node is to go away. On ECS that
        is so before SIGTERM. Raises TargetUnknown."""
        ...
