"""How long to wait before the next try: exponential back-off with full jitter."""

from typing import Final

_DOUBLINGS_MAX: Final = 30
"""Beyond it every sensible maximum is reached, and a larger power would only cost time."""


RETRY_AFTER_MAX_S: Final = 120.0
"""Nobody waits longer, whatever `Retry-After` says."""
SPREAD_S: Final = 1.0


def after_s(retry_after_s: float, chance: float) -> float:
    """The pause that a header `Retry-After` asks for. It is in whole seconds and the same for everybody, so a second is
    added over which the clients spread."""
    return min(RETRY_AFTER_MAX_S, retry_after_s + chance * SPREAD_S)


def delay_s(attempt: int, chance: float, base_s: float, max_s: float) -> float:
    """The pause before try `attempt`, counted from 0. `chance` is at least 0 and below 1."""
    doublings = min(attempt, _DOUBLINGS_MAX)
    return chance * min(max_s, base_s * 2.0**doublings)
