"""What `/ready` says: if new clients are welcome on this node, and why they are not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the node is not ready."""

    dependency: str
    reason: str


class Readiness:
    """Asks the parts of a node when somebody wants to know."""

    def __init__(self, is_draining: Callable[[], bool], failures: Mapping[str, Callable[[], str | None]]) -> None:
        """`failures` asks each dependency, by its name, why it cannot be used at the moment; None if it can."""
        self._is_draining = is_draining
        self._failures = failures

    def reasons(self) -> list[Reason]:
        """Why new clients should be sent elsewhere; empty while they are welcome."""
        reasons = [Reason("node", "draining")] if self._is_draining() else []
        for name, failure in self._failures.items():
            if fault := failure():
                reasons.append(Reason(name, fault))
        return reasons
