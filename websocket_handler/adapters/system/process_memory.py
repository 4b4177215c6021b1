"""How much memory this process takes, and how much its container may take."""

import os
from pathlib import Path
from typing import Final

_STATM: Final = Path("/proc/self/statm")
_LIMITS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
UNLIMITED_BYTES: Final = 1 << 50
"""Control groups, version 1, write "no limit" as a number near 2**63."""


def resident_bytes() -> int:
    """The process's resident memory in bytes; 0 if the system does not tell."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def container_limit_bytes() -> int:
    """How many bytes the container may take; 0 if there is no limit, or if the system does not tell."""
    for path in _LIMITS:
        try:
            limit = int(path.read_text(encoding="ascii"))
        except (OSError, ValueError):  # there is no such file, or it says "max"
            continue
        return limit if limit < UNLIMITED_BYTES else 0
    return 0


def memory_limit_bytes(setting: int) -> int:
    """The value of `MEMORY_LIMIT_BYTES` in bytes: -1 means nine tenths of the container's limit, 0 no limit."""
    return container_limit_bytes() * 9 // 10 if setting < 0 else setting
