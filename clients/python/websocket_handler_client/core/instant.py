"""The time, as whoever drives the core gives it."""

from typing import NamedTuple


class Instant(NamedTuple):
    """Now, on two clocks."""

    s: float
    """Seconds on a clock that only goes forward. Every deadline counts on it."""
    wall_s: float
    """Seconds since 1970. Only the life of a token counts on it, because a token names its end in the time of day."""
