"""Where and when the figures were taken."""

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """The machine, the moment and the command."""

    processor: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    date: str
    command: str
    load_average: float

    @classmethod
    def look(cls, command: str) -> "Machine":
        """The machine this runs on."""
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return cls(
            processor=_processor(),
            cores=len(os.sched_getaffinity(0)),
            memory_gib=pages / 2**30,
            kernel=platform.release(),
            python=platform.python_version(),
            date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            command=command,
            load_average=os.getloadavg()[0],
        )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
