"""Processes that the benchmark starts: pinned to a core, read through /proc, and ended by their own pid."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SERVER_CORE = 0
LOAD_CORE = 1
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0


class Failed(Exception):
    """A process did not do its work. The text is what it printed."""


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def raise_file_limit() -> int:
    """Allow this process and its children as many open files as the machine allows. Returns how many."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def end_children_on_signal() -> None:
    """When a signal ends this process, unwind its stack, so that the processes that it started are ended, too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


@dataclass
class Running:
    """A server process that accepts connections on `port`."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def pids(self) -> list[int]:
        """The process and its workers."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        return [pid, *(int(child) for child in children.read_text().split())] if children.exists() else [pid]

    @property
    def rss_kib(self) -> int:
        """Resident memory of all its processes."""
        return sum(_rss_kib(pid) for pid in self.pids)

    @property
    def cpu_s(self) -> float:
        """Processor time of all its processes so far."""
        return sum(_cpu_s(pid) for pid in self.pids)

    @property
    def is_alive(self) -> bool:
        """True if it still runs."""
        return self.process.poll() is None

    def last_words(self) -> str:
        """The end of what it printed."""
        text = self.log.read_text(errors="replace").strip() if self.log.exists() else ""
        return text[-300:] or f"exit code {self.process.poll()}"

    def wait_until_quiet(self, timeout_s: float = 5.0) -> None:
        """Wait until it has done the work that the last load left: closed connections, records."""
        deadline = time.monotonic() + timeout_s
        before = self.cpu_s
        while time.monotonic() < deadline:
            time.sleep(0.15)
            after = self.cpu_s
            if after - before < 0.011:
                return
            before = after

    def release(self) -> None:
        """Let it run on every core from now on."""
        os.sched_setaffinity(self.process.pid, os.sched_getaffinity(0))

    def stop(self) -> None:
        """End it: SIGTERM, and SIGKILL after a while."""
        if self.is_alive:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start(
    command: Sequence[str], port: int, folder: Path, name: str, environment: Mapping[str, str], core: int = SERVER_CORE
) -> Running:
    """Start a server pinned to a core and wait until its port answers. Raises Failed."""
    log = folder / f"{name}-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = Running(process, port, log)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _answers(port):
        if not running.is_alive or time.monotonic() > deadline:
            running.stop()
            raise Failed(f"{name} did not start: {running.last_words()}")
        time.sleep(0.05)
    return running


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _rss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
