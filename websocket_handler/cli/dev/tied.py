"""Runs a program as a part of a system, and ends it when the system ends, however that ends.

`python -m websocket_handler.cli.dev.tied PROGRAM ARGUMENTS...`. The program takes the place of this process, so its
process id stays. Linux sends it SIGTERM when its starter is gone.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Becomes the program. Raises OSError if there is none."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the starter ended before Linux knew
            return
    os.execv(arguments[0], arguments)  # noqa: S606 - its starter names the program


if __name__ == "__main__":
    main(sys.argv[1:])
