"""The demo as a person starts it: its process, its output, and the processes that it starts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import islice
from pathlib import Path

import psutil

from tests.support.gateway import REPOSITORY, clean_environment
from tests.support.patience import PATIENCE_S
from tests.support.process_output import ProcessOutput
from tests.support.proxies import way_in

WELCOME_ENDS: str = "To let yours work as dev"
STARTED = re.compile(r"^  (emulator|queues|gateway|valkey|node \d|balancer|agent \w+) +pid (\d+)", re.MULTILINE)


class DemoProcess:
    """A demo that was started with `command`. Its errors come in the same stream as its other output."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.stack = ExitStack()
        """What ends with it."""
        self._address = ""
        self._output: ProcessOutput[str] = ProcessOutput(process, str)

    @property
    def text(self) -> str:
        """What it has printed. Raises AssertionError while it runs."""
        return "".join(self._output.lines)

    @property
    def _text_so_far(self) -> str:
        return "".join(self._output.lines_so_far)

    def wait_for(self, pattern: str, count: int = 1, timeout_s: float = PATIENCE_S) -> re.Match[str]:
        """Wait for the match number `count` of a pattern in its output. Raises AssertionError."""

        def find(lines: Sequence[str]) -> re.Match[str] | None:
            return next(islice(re.finditer(pattern, "".join(lines), re.MULTILINE), count - 1, None), None)

        found = self._output.wait_for(find, timeout_s)
        assert found is not None, f"not {count} times {pattern!r} in: {self._text_so_far}"
        return found

    def wait_until_it_runs(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait until it prints that it runs."""
        self.wait_for(WELCOME_ENDS, timeout_s=timeout_s)

    @property
    def pids(self) -> dict[str, int]:
        """The processes that it started, by name, once it runs."""
        return {name: int(pid) for name, pid in STARTED.findall(self._text_so_far)}

    @property
    def printed_address(self) -> str:
        """Host and port of the gateway, as it prints them."""
        return self.wait_for(r"^Open +http://(\S+)/$")[1]

    @property
    def address(self) -> str:
        """Host and port to which clients of the gateway connect (`way_in`)."""
        if not self._address:
            host, _, port = self.printed_address.rpartition(":")
            self._address = f"{host}:{self.stack.enter_context(way_in(int(port)))}"
        return self._address

    @property
    def exports(self) -> str:
        """What it tells a person to paste into the shell of an agent, once it runs."""
        lines = [line for line in self._text_so_far.splitlines() if line.startswith(("export ", "unset "))]
        assert len(lines) > 10
        return "\n".join(lines)

    def wait_for_exit(self) -> int:
        """Wait for its end, and read its output to the end. Returns its exit code."""
        return self._output.wait_for_exit()

    def stop(self) -> int:
        """Send SIGTERM. Returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait_for_exit()


def all_gone(processes: Sequence[psutil.Process]) -> bool:
    """Wait until these processes have ended. Returns False if one has not after a long time."""
    _, alive = psutil.wait_procs(processes, PATIENCE_S)
    return not alive


@contextmanager
def started_demo(
    *options: str, command: Sequence[str] = (), folder: Path = REPOSITORY, settings: Mapping[str, str] | None = None
) -> Iterator[DemoProcess]:
    """Start a demo on a free port, unless the settings name one. It may not be ready yet. At the end nothing of it is
    left."""
    process = subprocess.Popen(
        command or [sys.executable, "-m", "demo.run", *options],
        cwd=folder,
        env=clean_environment({"WEBSOCKET_PORT": "0", "PYTHONUNBUFFERED": "1", **(settings or {})}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    demo = DemoProcess(process)
    with process, demo.stack:
        try:
            yield demo
        finally:
            if process.poll() is None:
                started = psutil.Process(process.pid).children(recursive=True)
                os.killpg(process.pid, signal.SIGKILL)
                assert all_gone(started)


def started_dev(*options: str, settings: Mapping[str, str] | None = None) -> AbstractContextManager[DemoProcess]:
    """Start `websocket-handler dev`, as `started_demo` starts a demo, in a folder where there is no checkout."""
    command = [sys.executable, "-m", "websocket_handler", "dev", *options]
    return started_demo(command=command, folder=Path("/"), settings=settings)
