"""How long to wait before asking a service again that failed. The caller passes in chance, as it passes in time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

EXPONENT_MAX: Final = 16
"""Doubling stops after this many failures, so that the numbers stay small however often a service fails."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: a random wait between 0 and a ceiling. The ceiling begins at `base_s`, doubles with every failure in
    a row, and ends at `max_s`. So callers that failed together do not come back together."""

    chance: Callable[[], float]
    """Gives random numbers from 0 to 1: `Random.random`, for example."""
    base_s: float = 0.05
    max_s: float = 1.0

    def delay_s(self, failures: int) -> float:
        """The wait in seconds, when the service failed `failures` times in a row."""
        ceiling_s: float = min(self.max_s, self.base_s * 2 ** min(failures, EXPONENT_MAX))
        return self.chance() * ceiling_s
