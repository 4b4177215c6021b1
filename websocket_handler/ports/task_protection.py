"""Protection from scale-in: a node asks its service not to choose it when the service needs fewer nodes."""

from typing import Protocol


class ProtectionUnavailable(Exception):
    """The service cannot tell or change the protection at the moment. Protection that was set stays until it
    expires."""


class TaskProtection(Protocol):
    """This node's own protection. The service ends any unprotected node when it needs fewer of them, or when a
    deployment replaces them. Protection always expires, so a node that dies or hangs loses it."""

    name: str
    """Its name in reports."""

    async def protect(self, minutes: int) -> None:
        """Protect this node from now on, for 1 to 2880 minutes. Another call starts the time again. Returns once the
        protection holds. Raises ProtectionUnavailable; then it may hold or not."""
        ...

    async def release(self) -> None:
        """Give the protection up. Idempotent. Raises ProtectionUnavailable; then it may still hold."""
        ...

    async def is_protected(self) -> bool:
        """True if the service says that this node is protected; others may have changed it. Raises
        ProtectionUnavailable."""
        ...
