"""How messages and log lines write a time: RFC 3339, UTC, milliseconds."""

from datetime import UTC, datetime
from functools import lru_cache


def time_text(wall: float) -> str:
    """Writes seconds since 1970 as `2026-11-22T20:00:00.001Z`. What is below a millisecond is cut off."""
    second = int(wall)
    carry, microsecond = divmod(round((wall - second) * 1e6), 1_000_000)
    return f"{_second_text(second + carry)}.{microsecond // 1000:03d}Z"


@lru_cache(maxsize=4)
def _second_text(second: int) -> str:
    """The text up to the second. Every handshake and log line needs one, and most of them share it: making it anew
    costs a tenth of a handshake's instructions in Python."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
