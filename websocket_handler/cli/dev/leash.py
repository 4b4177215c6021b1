"""Runs a module as a part of a system, and ends it when the system ends, however that ends.

`python -m websocket_handler.cli.dev.leash SECONDS MODULE ARGUMENTS...`. Standard input is a pipe, and only the process
that started it holds its other end. When that one is killed, the operating system closes the pipe: then this process
gets SIGTERM, and after SECONDS it ends at once.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

STDIN = 0


def main(arguments: list[str]) -> None:
    """Becomes the module."""
    stop_timeout_s, module, *rest = arguments
    threading.Thread(target=_end_with_its_starter, args=(float(stop_timeout_s),), daemon=True).start()
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with_its_starter(stop_timeout_s: float) -> None:
    while os.read(STDIN, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(stop_timeout_s)
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
