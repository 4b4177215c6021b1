"""What `/ready` says: if this node welcomes new clients, and if not, why."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the node is not ready."""

    dependency: str
    reason: str


class Readiness:
    """Asks the parts of a node each time when somebody wants to know."""

    def __init__(
        self,
        is_draining: Callable[[], bool],
        failures: Mapping[str, Callable[[], str | None]],
        flaws: Mapping[str, Callable[[], Sequence[str]]] | None = None,
    ) -> None:
        """`failures` has a function for each dependency, by its name. It returns why the dependency cannot be used at
        the moment, or None if it can. The functions in `flaws` return what an operator should mend, although the node
        can do the rest of its work."""
        self._is_draining = is_draining
        self._failures = failures
        self._flaws = flaws or {}

    def reasons(self) -> list[Reason]:
        """Why new clients should go to other nodes; empty while they are welcome here."""
        reasons = [Reason("node", "draining")] if self._is_draining() else []
        for name, failure in self._failures.items():
            if fault := failure():
                reasons.append(Reason(name, fault))
        return reasons

    def flaws(self) -> list[Reason]:
        """What an operator should mend, but what is no reason to send clients elsewhere."""
        return [Reason(name, text) for name, texts in self._flaws.items() for text in texts()]
