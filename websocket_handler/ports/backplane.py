"""How nodes tell each other that a log went on. The log stays the truth: a lost message delays, and loses nothing."""

from collections.abc import Callable
from typing import Protocol

Heard = Callable[[str, str, int], None]
"""Called with a project, and with epoch and head of its log as another node wrote it; with "" and 0 if nobody says."""


class Backplane(Protocol):
    """Messages between the nodes that share logs."""

    name: str

    def follow(self, project_id: str) -> None:
        """Hear of a project from now on. Following twice changes nothing. When that has begun, the project is heard of
        once, because messages before it are missed."""
        ...

    def unfollow(self, project_id: str) -> None:
        """Hear no more of a project."""
        ...

    def announce(self, project_id: str, epoch: str, head: int) -> None:
        """Tell the other nodes where a log ends now. It never raises, and nobody learns if it fails."""
        ...

    async def run(self, heard: Heard) -> None:
        """Listen until cancelled. `heard` is called for other nodes' messages, and for every followed project when
        messages may have been missed."""
        ...

    def failure(self) -> str | None:
        """Why nothing can be heard at the moment; None if it can."""
        ...


class NoBackplane:
    """A node that hears of nothing: it runs alone, or reads what other nodes write."""

    name = "none"

    def follow(self, project_id: str) -> None:
        """Nobody would tell."""

    def unfollow(self, project_id: str) -> None:
        """Nothing is followed."""

    def announce(self, project_id: str, epoch: str, head: int) -> None:
        """Nobody would hear."""

    async def run(self, heard: Heard) -> None:
        """There is nothing to hear."""

    def failure(self) -> str | None:
        return "there is no backplane"
