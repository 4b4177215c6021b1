"""Who is connected to which node: what each node writes about its own clients, and all nodes read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

USER_COUNT_S: Final = 120.0
"""How long the directory knows how many connections a user has on a node, after that node said so last."""


class DirectoryUnavailable(Exception):
    """The directory does not answer. What was written may have arrived; writing it again changes nothing."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The directory does not answer a question."""

    reason: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One connection of a node. `connected_at` and `expires_at` are wall-clock seconds; at the latter its token ends,
    None stands for never. `node_id` is empty if an older gateway wrote it."""

    connection_id: str
    connected_at: float
    user_id: str
    projects: tuple[str, ...]
    node_id: str = field(default="", compare=False)
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Present:
    """Who follows a project on one node: how many connections, and the ids of the first ones, each with the wall-clock
    second since when it is connected."""

    count: int
    connections: tuple[tuple[str, float], ...]


NOBODY = Present(0, ())


class Directory(Protocol):
    """Keeps what each node writes. A node that ends without a word is forgotten after a while, and its readers know
    which nodes live. Each reading method calls `done` once."""

    async def write(
        self, node_id: str, changed: Sequence[Listed], gone: Sequence[str], present: Mapping[str, Present]
    ) -> None:
        """List these connections as they are now, no longer those in `gone`, and for these projects who follows them on
        this node. Raises DirectoryUnavailable."""
        ...

    async def write_users(self, node_id: str, counts: Mapping[str, int]) -> None:
        """Write how many connections each of these users has on this node. Raises DirectoryUnavailable."""
        ...

    def user(self, user_id: str, node_ids: Sequence[str], done: Callable[[int | Unanswered], None]) -> None:
        """Find how many connections a user has on these nodes together. A directory that is known to be away says so at
        once."""
        ...

    async def leave(self, node_id: str, projects: Sequence[str]) -> None:
        """Forget the connections of a node, and that it has somebody on these projects. Raises DirectoryUnavailable."""
        ...

    def present(self, project_id: str, done: Callable[[Mapping[str, Present] | Unanswered], None]) -> None:
        """Find who follows a project, by node."""
        ...

    def listed(self, node_ids: Sequence[str], done: Callable[[Sequence[Listed] | Unanswered], None]) -> None:
        """Find all connections of these nodes, in no order."""
        ...
