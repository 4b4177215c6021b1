"""Protection from scale-in: asks the service that runs this node not to end it when there should be fewer nodes."""

from typing import Protocol


class ProtectionUnavailable(Exception):
    """Nobody can say or change it at the moment. What was set stays until it expires."""


class TaskProtection(Protocol):
    """This node's own protection. Without it the service chooses any node when it needs fewer of them, or when a
    deployment replaces them. It never outlives its time, so that a node that dies or hangs is protected no longer."""

    name: str
    """What reports call it."""

    async def protect(self, minutes: int) -> None:
        """From now on, for 1 to 2880 minutes; again it begins anew. Returns when it holds. Raises
        ProtectionUnavailable, and then it may hold or not."""
        ...

    async def release(self) -> None:
        """No longer. Idempotent. Raises ProtectionUnavailable, and then it may hold or not."""
        ...

    async def is_protected(self) -> bool:
        """True if it holds; others may have changed that. Raises ProtectionUnavailable."""
        ...
